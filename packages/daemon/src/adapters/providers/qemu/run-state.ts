/** What QEMU's processors do, and telling them to stand still (QEMU: qapi/run-state.json). */
import { FlintlockError } from "@flintlock/core";
import { deadline } from "../shared/deadline.ts";
import { connectIn } from "../shared/directory-socket.ts";
import { QMP_SOCKET } from "./args.ts";
import { openQmp, type QmpClient } from "./qmp.ts";

/** A QEMU that is busy, or hung, shall not hold up who only looks */
const LOOK_TIMEOUT_MS = 2000;

/** Such as `running` or `paused`; undefined while QEMU does not listen. */
export const runState = async (directory: string, signal: AbortSignal): Promise<string | undefined> => {
  try {
    await using qmp = await openQmp(await connectIn(directory, QMP_SOCKET, signal), signal);
    return await statusOf(qmp);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FlintlockError && error.code === "unavailable") return undefined;
    throw error;
  }
};

/** False when QEMU does not say. */
export const isPaused = async (directory: string): Promise<boolean> =>
  (await soonState(directory)) === "paused";

/** False only when QEMU says so: its processors have never run. */
export const hasLaunched = async (directory: string): Promise<boolean> =>
  (await soonState(directory)) !== PRELAUNCH;

/** Undefined when QEMU does not say soon. */
const soonState = async (directory: string): Promise<string | undefined> => {
  using limit = deadline(new AbortController().signal, LOOK_TIMEOUT_MS, "asking QEMU how it runs");
  return await runState(directory, limit.signal).catch(() => undefined);
};

/** The state of a QEMU whose processors have never run. */
export const PRELAUNCH = "prelaunch";

/** `stop` and `cont` are idempotent. */
export const setPaused = async (directory: string, paused: boolean, signal: AbortSignal): Promise<void> => {
  await using qmp = await openQmp(await connectIn(directory, QMP_SOCKET, signal), signal);
  await qmp.execute(paused ? "stop" : "cont");
};

const MIB = 1024 ** 2;

/**
 * Of a QEMU that was started with `-S`: the balloon's size first, so that the guest finds it when it looks, then the
 * processors. Idempotent.
 */
export const startInflated = async (
  directory: string,
  { memoryMib, balloonMib }: { readonly memoryMib: number; readonly balloonMib: number },
  signal: AbortSignal,
): Promise<void> => {
  await using qmp = await openQmp(await connectIn(directory, QMP_SOCKET, signal), signal);
  // What the guest keeps, in bytes.
  await qmp.execute("balloon", { value: (memoryMib - balloonMib) * MIB });
  await qmp.execute("cont");
};

/** Nothing tells whether somebody in the guest listens. */
export const pressPowerButton = async (directory: string, signal: AbortSignal): Promise<void> => {
  await using qmp = await openQmp(await connectIn(directory, QMP_SOCKET, signal), signal);
  await qmp.execute("system_powerdown");
};

const statusOf = async (qmp: QmpClient): Promise<string | undefined> => {
  const status = await qmp.execute("query-status");
  const isObject = typeof status === "object" && status !== null && "status" in status;
  return isObject && typeof status.status === "string" ? status.status : undefined;
};
