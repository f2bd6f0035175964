/** What a Firecracker does, and telling it (its docs/api_requests). */
import { FlintlockError } from "@flintlock/core";
import { readBounded } from "../shared/proc.ts";
import { askVmm } from "../shared/vmm-api.ts";
import { API_SOCKET } from "./files.ts";

/** A VMM that is busy, or hung, shall not hold up who only looks */
const LOOK_TIMEOUT_MS = 2000;

export type RunState = "Not started" | "Running" | "Paused";

/** @throws FlintlockError `unavailable` – it does not listen; see vmm-api.ts */
export const runState = async (home: string, signal: AbortSignal): Promise<RunState> => {
  const request = { method: "GET", path: "/", timeoutMs: LOOK_TIMEOUT_MS } as const;
  const answer = await askVmm(home, API_SOCKET, request, signal);
  const state = typeof answer === "object" && answer !== null && "state" in answer ? answer.state : undefined;
  if (state === "Not started" || state === "Running" || state === "Paused") return state;
  throw new FlintlockError("provider_failed", "Firecracker says nothing about its state");
};

/** False when it does not say. */
export const isPaused = async (home: string): Promise<boolean> =>
  await runState(home, new AbortController().signal).then(
    (state) => state === "Paused",
    () => false,
  );

export const setPaused = async (home: string, paused: boolean, signal: AbortSignal): Promise<void> => {
  // It refuses what it does already.
  if ((await runState(home, signal)) === (paused ? "Paused" : "Running")) return;
  const body = { state: paused ? "Paused" : "Resumed" };
  await askVmm(home, API_SOCKET, { method: "PATCH", path: "/vm", body }, signal);
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
