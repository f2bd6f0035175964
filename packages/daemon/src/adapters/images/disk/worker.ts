/** Entry of the worker thread: does the one task it was started with, answers, and ends. */
import { parentPort, workerData } from "node:worker_threads";
import { type DiskTask, runDiskTask } from "./disk-task.ts";
import { sendError, type WorkerReply } from "./worker-messages.ts";

// SAFETY: only `image-disks.ts` starts this file, and always with a task.
const task = workerData as DiskTask;
// The one who started this thread stops it by ending it.
const neverAborted = new AbortController().signal;

const reply = await runDiskTask(task, neverAborted).then(
  (result): WorkerReply => ({ kind: "done", result }),
  (error: unknown): WorkerReply => ({ kind: "failed", error: sendError(error) }),
);
parentPort?.postMessage(reply);
