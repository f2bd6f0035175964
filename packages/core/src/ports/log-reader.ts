import type { LogOptions, LogPiece } from "../domain/log-rules.ts";

/** Reads the logs a VM leaves in its directory. */
export interface LogReader {
  /** What is kept now and, with `follow`, what comes, until the signal aborts or `isOver` says no more will. */
  read(
    directory: string,
    options: LogOptions,
    isOver: () => boolean,
    signal: AbortSignal,
  ): AsyncIterable<LogPiece>;
}
