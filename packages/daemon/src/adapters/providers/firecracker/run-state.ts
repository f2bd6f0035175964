/** What a Firecracker does, and telling it (its docs/api_requests). */
import { FlintlockError } from "@flintlock/core";
import { deadline, pause } from "../shared/deadline.ts";
import { readBounded, readStat } from "../shared/proc.ts";
import { askVmm } from "../shared/vmm-api.ts";
import { sendSignal } from "../shared/vmm-process.ts";
import { API_SOCKET } from "./files.ts";

/** A VMM that is busy, or hung, shall not hold up who only looks */
const LOOK_TIMEOUT_MS = 2000;

export type RunState = "Not started" | "Running" | "Paused";

interface Instance {
  readonly state: RunState;
  readonly version: string;
}

/** @throws FlintlockError `unavailable` – it does not listen; see vmm-api.ts */
export const runState = async (home: string, signal: AbortSignal): Promise<RunState> =>
  (await instanceOf(home, signal)).state;

const instanceOf = async (home: string, signal: AbortSignal): Promise<Instance> => {
  const request = { method: "GET", path: "/", timeoutMs: LOOK_TIMEOUT_MS } as const;
  const answer = await askVmm(home, API_SOCKET, request, signal);
  const { state, vmm_version: version } = (answer ?? {}) as { state?: unknown; vmm_version?: unknown };
  if (state === "Not started" || state === "Running" || state === "Paused") {
    return { state, version: String(version).slice(0, 32) };
  }
  throw new FlintlockError("provider_failed", "Firecracker says nothing about its state");
};

/**
 * After a resume, the vsock of these waits for ever for the guest to acknowledge a reset that was never sent (mended in
 * its repository by a34d51c93, "do not arm the TRANSPORT_RESET RX gate on bare resume"): the guest's agent would be lost. The
 * whole process is stopped instead, guest and API, which comes to the same for the guest.
 */
const LOSES_VSOCK = /^1\.16\.[01]$/;
/** Its threads stop at once; one in the kernel takes a moment */
const STOP_TIMEOUT_MS = 2000;

/** Whether the process itself was stopped by a signal: then its API answers nobody. */
export const isStopped = async (pid: number): Promise<boolean> => (await readStat(pid))?.state === "T";

/** False when it does not say. */
export const isPaused = async (home: string, pid: number): Promise<boolean> =>
  (await isStopped(pid)) ||
  (await runState(home, new AbortController().signal).then(
    (state) => state === "Paused",
    () => false,
  ));

/** `pid` was just seen to be this VM's. */
export const setPaused = async (
  home: string,
  pid: number,
  paused: boolean,
  signal: AbortSignal,
): Promise<void> => {
  if (await isStopped(pid)) {
    if (!paused) sendSignal(pid, "SIGCONT");
    return;
  }
  const { state, version } = await instanceOf(home, signal);
  // It refuses what it does already.
  if (state === (paused ? "Paused" : "Running")) return;
  if (paused && LOSES_VSOCK.test(version)) return await stopProcess(pid, signal);
  const body = { state: paused ? "Paused" : "Resumed" };
  await askVmm(home, API_SOCKET, { method: "PATCH", path: "/vm", body }, signal);
};

const stopProcess = async (pid: number, signal: AbortSignal): Promise<void> => {
  using limit = deadline(signal, STOP_TIMEOUT_MS, "stopping Firecracker's process");
  sendSignal(pid, "SIGSTOP");
  while (!(await isStopped(pid))) await pause(5, limit.signal);
};

/**
 * The only button it has. Nothing tells whether somebody in the guest listens.
 * @throws FlintlockError `unsupported` – not on arm64, where it has no keyboard controller
 */
export const pressCtrlAltDel = async (home: string, signal: AbortSignal): Promise<void> => {
  if (process.arch !== "x64") {
    throw new FlintlockError("unsupported", "Firecracker cannot ask a guest to end on this architecture");
  }
  const body = { action_type: "SendCtrlAltDel" };
  await askVmm(home, API_SOCKET, { method: "PUT", path: "/actions", body }, signal);
};

/** Its processors' threads, of which there are none before the guest executes. */
export const hasProcessors = async (pid: number, threads: readonly string[]): Promise<boolean> => {
  for (const thread of threads) {
    const name = await readBounded(`/proc/${pid}/task/${thread}/comm`, 64);
    if (name?.startsWith("fc_vcpu")) return true;
  }
  return false;
};
