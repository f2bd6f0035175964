/** Whether the guest executes, and telling it to stand still. */
import { FlintlockError } from "@flintlock/core";
import { deadline } from "../shared/deadline.ts";
import { pauseVm, resumeVm, type VmInfo, vmInfo } from "./vm-api.ts";

/** A VMM that is busy, or hung, shall not hold up who only looks */
const LOOK_TIMEOUT_MS = 2000;

/** Undefined when the VMM does not say. */
const look = async (directory: string): Promise<VmInfo | "no VM yet" | undefined> => {
  using limit = deadline(
    new AbortController().signal,
    LOOK_TIMEOUT_MS,
    "asking Cloud Hypervisor how it runs",
  );
  return await vmInfo(directory, limit.signal).then(
    (info) => info ?? "no VM yet",
    () => undefined,
  );
};

/** True when the VMM does not say: a guest that may run is not ended for that. */
export const hasBooted = async (directory: string): Promise<boolean> => {
  const info = await look(directory);
  return info !== "no VM yet" && info?.state !== "Created" && info?.state !== "Shutdown";
};

/** False when the VMM does not say. */
export const isPaused = async (directory: string): Promise<boolean> => {
  const info = await look(directory);
  return info !== "no VM yet" && info?.state === "Paused";
};

/** Both calls are refused where nothing is to be done. */
export const setPaused = async (directory: string, toPause: boolean, signal: AbortSignal): Promise<void> => {
  const wanted = toPause ? "Paused" : "Running";
  const state = async (): Promise<string | undefined> => (await vmInfo(directory, signal))?.state;
  if ((await state()) === wanted) return;
  try {
    await (toPause ? pauseVm(directory, signal) : resumeVm(directory, signal));
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FlintlockError && (await state()) === wanted) return;
    throw error;
  }
};
