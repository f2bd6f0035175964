import type { LayerBlob } from "../image-disks.ts";
import { extractFile } from "./extract-file.ts";
import { writeDisk } from "./write-disk.ts";

/** What a worker is asked to do: plain data, that crosses threads. */
export type DiskTask =
  | {
      readonly kind: "write-disk";
      readonly layers: readonly LayerBlob[];
      readonly target: string;
      readonly sizeMib: number | undefined;
    }
  | {
      readonly kind: "extract-file";
      readonly layers: readonly LayerBlob[];
      readonly target: string;
      readonly path: string;
    };

export interface DiskResult {
  /** Of the target */
  readonly sizeBytes: number;
}

/** Does the task in this thread. `target` exists and is empty. */
export const runDiskTask = async (task: DiskTask, signal: AbortSignal): Promise<DiskResult> => {
  switch (task.kind) {
    case "write-disk":
      return writeDisk(task.layers, task.target, task.sizeMib, signal);
    case "extract-file":
      return extractFile(task.layers, task.path, task.target, signal);
  }
};
