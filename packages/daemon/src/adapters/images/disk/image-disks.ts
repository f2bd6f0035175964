/**
 * OCI layers to bootable ext4 disks, rootless and in plain TypeScript.
 *
 *   layer blob ─ decompress ─ sha256 ─ tar ─► merge into a tree in memory ─► inodes, directories, bitmaps
 *                                             └─ file data ─► blocks of the image file, as it streams by
 *
 * Layers are never unpacked on the host. So there is no path to traverse, no symlink to race, no owner, device
 * or attribute that needs a privilege; the only paths opened are a layer's blob and the target.
 *
 * INVARIANTS:
 * - every layer is hashed while it is read; a wrong diffId fails the task.
 * - the target is complete and synced when a task ends well, and gone when it does not.
 */
import { open, rm } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import type { ImageDisks } from "../image-disks.ts";
import { type DiskResult, type DiskTask, runDiskTask } from "./disk-task.ts";
import { receiveError, type WorkerReply } from "./worker-messages.ts";

export interface ImageDisksOptions {
  /** `worker.ts` as JavaScript. Undefined: tasks run in this thread, and block it while they write */
  readonly workerUrl: URL | undefined;
}

export const createImageDisks = ({ workerUrl }: ImageDisksOptions): ImageDisks => {
  const run = async (task: DiskTask, signal: AbortSignal): Promise<DiskResult> => {
    signal.throwIfAborted();
    // What exists already is not ours: neither to write over, nor to remove.
    await (await open(task.target, "wx")).close();
    try {
      return workerUrl === undefined
        ? await runDiskTask(task, signal)
        : await runInWorker(workerUrl, task, signal);
    } catch (error) {
      await rm(task.target, { force: true });
      throw error;
    }
  };
  return {
    writeDisk: (layers, target, sizeMib, signal) =>
      run({ kind: "write-disk", layers, target, sizeMib }, signal),
    extractFile: async (layers, path, target, signal) => {
      await run({ kind: "extract-file", layers, path, target }, signal);
    },
  };
};

/** Ends the worker, and waits until it has ended, before it settles. */
const runInWorker = async (url: URL, task: DiskTask, signal: AbortSignal): Promise<DiskResult> => {
  const worker = new Worker(url, { workerData: task });
  let stop = (): void => {};
  try {
    const reply = await new Promise<WorkerReply>((resolve, reject) => {
      stop = () => reject(signal.reason);
      signal.addEventListener("abort", stop, { once: true });
      worker.once("message", resolve);
      worker.once("error", reject);
      worker.once("exit", (code) => reject(new Error(`the disk worker ended with ${code} and no answer`)));
    });
    if (reply.kind === "failed") throw receiveError(reply.error);
    return reply.result;
  } finally {
    signal.removeEventListener("abort", stop);
    await worker.terminate();
  }
};
