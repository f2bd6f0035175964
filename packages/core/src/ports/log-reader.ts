import type { LogOptions } from "../usecases/api.ts";

/** Reads the logs a VM leaves in its directory: the guest's console, the VMM's own words. */
export interface LogReader {
  /** What is kept now and, with `follow`, what comes, until the signal aborts or `isOver` says no more will. */
  read(
    directory: string,
    options: LogOptions,
    isOver: () => boolean,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array>;
}
