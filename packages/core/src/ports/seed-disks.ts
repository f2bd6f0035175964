/** The disk by which cloud-init finds its data where there is no metadata service: its NoCloud data source. */
import type { Disk } from "./volume-store.ts";

export interface SeedDisks {
  /**
   * Makes a read-only disk with the label `cidata` that holds `files`, by name, contents base64, and nothing else; one
   * that has the same already is kept.
   */
  ensure(directory: string, files: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Disk>;
}
