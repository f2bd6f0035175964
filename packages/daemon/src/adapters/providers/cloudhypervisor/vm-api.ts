/** What is asked of a Cloud Hypervisor over its API, `/api/v1/` on a Unix socket in the VM's directory. */
import { FlintlockError } from "@flintlock/core";
import { askVmm } from "../shared/vmm-api.ts";
import { API_SOCKET } from "./args.ts";
import type { VmConfig } from "./vm-config.ts";

/** It maps the guest's memory and loads its kernel meanwhile */
const BOOT_TIMEOUT_MS = 30_000;

export type VmState = "Created" | "Running" | "Shutdown" | "Paused" | "BreakPoint";

export interface VmInfo {
  /** Undefined when it is none that we know */
  readonly state: VmState | undefined;
  /** Of the console, whichever the VM has; undefined when it has none */
  readonly terminal: string | undefined;
}

const put = async (directory: string, action: string, signal: AbortSignal, body?: object): Promise<void> => {
  await askVmm(directory, API_SOCKET, { method: "PUT", path: `/api/v1/vm.${action}`, body }, signal);
};

export const createVm = (directory: string, config: VmConfig, signal: AbortSignal): Promise<void> =>
  put(directory, "create", signal, config);

export const bootVm = async (directory: string, signal: AbortSignal): Promise<void> => {
  const request = { method: "PUT", path: "/api/v1/vm.boot", timeoutMs: BOOT_TIMEOUT_MS } as const;
  await askVmm(directory, API_SOCKET, request, signal);
};

/** Undefined: the VMM has no VM yet. */
export const vmInfo = async (directory: string, signal: AbortSignal): Promise<VmInfo | undefined> => {
  try {
    return parseInfo(await askVmm(directory, API_SOCKET, { method: "GET", path: "/api/v1/vm.info" }, signal));
  } catch (error) {
    if (error instanceof FlintlockError && error.detail["status"] !== undefined) return undefined;
    throw error;
  }
};

const STATES: readonly VmState[] = ["Created", "Running", "Shutdown", "Paused", "BreakPoint"];

/** The guest cannot write to it, but the VMM that says it may be the guest's by now. */
export const parseInfo = (answer: unknown): VmInfo => {
  const { state, config } = fieldsOf(answer);
  const { serial, console } = fieldsOf(config);
  return {
    state: STATES.find((each) => each === state),
    terminal: [serial, console].map(terminalOf).find((path) => path !== undefined),
  };
};

const terminalOf = (device: unknown): string | undefined => {
  const { mode, file } = fieldsOf(device);
  return mode === "Pty" && typeof file === "string" && /^\/dev\/pts\/\d{1,10}$/.test(file) ? file : undefined;
};

export const pauseVm = (directory: string, signal: AbortSignal): Promise<void> =>
  put(directory, "pause", signal);

export const resumeVm = (directory: string, signal: AbortSignal): Promise<void> =>
  put(directory, "resume", signal);

/** Each as it is; what is left out stays. */
export interface VmResize {
  readonly desired_vcpus?: number;
  /** Bytes, as the other */
  readonly desired_ram?: number;
  readonly desired_balloon?: number;
}

export const resizeVm = (directory: string, sizes: VmResize, signal: AbortSignal): Promise<void> =>
  put(directory, "resize", signal, sizes);

/** v50 and newer. */
export const resizeDisk = (
  directory: string,
  disk: { readonly id: string; readonly desired_size: number },
  signal: AbortSignal,
): Promise<void> => put(directory, "resize-disk", signal, disk);

/** Its own names for the disks, in their order; undefined for one that it does not name. */
export const diskIds = async (
  directory: string,
  signal: AbortSignal,
): Promise<readonly (string | undefined)[]> => {
  const answer = await askVmm(directory, API_SOCKET, { method: "GET", path: "/api/v1/vm.info" }, signal);
  const { disks } = fieldsOf(fieldsOf(answer)["config"]);
  return (Array.isArray(disks) ? disks : []).map((disk) => {
    const { id } = fieldsOf(disk);
    return typeof id === "string" && /^_disk\d{1,5}$/.test(id) ? id : undefined;
  });
};

/** Nothing tells whether somebody in the guest listens. */
export const pressPowerButton = (directory: string, signal: AbortSignal): Promise<void> =>
  put(directory, "power-button", signal);

/** By device, then by name; not parsed yet. */
export const vmCounters = (directory: string, signal: AbortSignal): Promise<unknown> =>
  askVmm(directory, API_SOCKET, { method: "GET", path: "/api/v1/vm.counters" }, signal);

export const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
