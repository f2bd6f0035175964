/**
 * From a machine to a Firecracker that executes it, or to the reason why not. All that can be refused is refused before
 * anything is touched. The VMM is started first and told afterwards what to be: until `InstanceStart` it executes no
 * guest, and a daemon that finds it so begins anew.
 */
import { chmod, open, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FlintlockError, type Machine } from "@flintlock/core";
import { readTail } from "../shared/bounded-log.ts";
import { deadline, pause } from "../shared/deadline.ts";
import { forgetGuestExit } from "../shared/guest-exit.ts";
import { clearGuestStatus, clearStatusDisk } from "../shared/guest-status.ts";
import { GUEST_INITRD, writeGuestInitrd } from "../shared/initrd.ts";
import { writeText } from "../shared/vm-files.ts";
import { askVmm, type VmmRequest } from "../shared/vmm-api.ts";
import type { VmmIdentity, VmmProcesses } from "../shared/vmm-process.ts";
import { configFile, LOGGER, metadataFile } from "./config-file.ts";
import { makeConsoleInput, openConsoleInput } from "./console.ts";
import {
  API_SOCKET,
  CONFIG_FILE,
  CONSOLE_FILE,
  LOG_LINKS,
  METADATA_FILE,
  METRICS_FILE,
  PID_FILE,
  STDERR_FILE,
  VMM_LOG_FILE,
  VSOCK_SOCKET,
} from "./files.ts";
import type { Jailer } from "./jail/jailer.ts";
import type { Kernels } from "./kernel/kernels.ts";
import { metadataContent } from "./metadata.ts";
import { type MachinePaths, machineRequests, needsPci, START, statusDevice } from "./requests.ts";
import { runState } from "./run-state.ts";
import { FIRST_WITH_PCI, type FirecrackerVersion, isAtLeast, showVersion } from "./version.ts";

/** It listens within 20 ms; many of them at once on a busy host take longer */
const LAUNCH_TIMEOUT_MS = 30_000;
/** Loads kernel and initrd, and makes the guest's memory */
const START_TIMEOUT_MS = 30_000;
const MAX_WORDS_BYTES = 4096;
/** Firecracker's own limit of a request's body, which is also its default for the metadata service */
const DEFAULT_PAYLOAD_BYTES = 51_200;

export interface LaunchOptions {
  readonly binary: string;
  readonly version: FirecrackerVersion;
  readonly kernels: Kernels;
  /** `auto`: where the machine has more devices than there are interrupts without */
  readonly pci: "auto" | "on" | "off";
  readonly metadataVersion: "V1" | "V2";
  readonly metadataLimitBytes: number;
  readonly jailer: Jailer | undefined;
}

/** Starts it in a directory whose earlier VMM, if any, has ended. Resolves when the guest executes. */
export const launch = async (
  machine: Machine,
  options: LaunchOptions,
  processes: VmmProcesses,
  signal: AbortSignal,
): Promise<VmmIdentity> => {
  const { directory } = machine;
  const { jailer } = options;
  const hasPci = choosePci(machine, options);
  const kernel = await options.kernels.loadable(machine.kernelPath, signal);
  const requests = machineRequests(machine, {
    paths: jailer === undefined ? hostPaths(machine, kernel) : jailer.paths(machine),
    hasPci,
    metadata: metadataContent(machine, options.metadataLimitBytes),
    metadataVersion: options.metadataVersion,
    architecture: process.arch,
  });
  const files = (): Promise<void> => writeFiles(machine, requests);
  // A process of its own makes the FIFO: meanwhile the rest is done.
  await Promise.all([makeConsoleInput(directory), clearTraces(machine)]);
  // A jail is filled before its VMM starts; another VMM reads them when it is told to, and starts meanwhile.
  if (jailer !== undefined) await files();
  const args = vmmArgs(machine, options, hasPci);
  const command =
    jailer === undefined
      ? { binary: options.binary, args }
      : await jailer.enclose(machine, { kernel, binary: options.binary, args });
  signal.throwIfAborted();
  const identity = await spawnWithConsole(command, directory, processes);
  try {
    await Promise.all([
      jailer === undefined ? files() : undefined,
      // COMPAT: upstream's users wait for it and read the number at once, so it is there with it or not at all.
      writeText(join(directory, PID_FILE), String(identity.pid)),
      listens(directory, identity, processes, signal),
    ]);
    for (const request of requests) await askVmm(directory, API_SOCKET, request, signal);
    await jailer?.seal(machine);
    await askVmm(directory, API_SOCKET, { ...START, timeoutMs: START_TIMEOUT_MS }, signal);
    return identity;
  } catch (error) {
    if (await processes.isAlive(identity)) {
      // Abandoned, it is found by the next start, which sees that it executes nothing.
      if (!signal.aborted) await processes.terminate(identity, 0, signal);
      throw error;
    }
    throw await earlyDeath(directory, error);
  }
};

/** What is needed of the machine's own files beside its disks. */
const hostPaths = ({ guest, initrdPath }: Machine, kernel: string): MachinePaths => ({
  kernel,
  initrd: guest === undefined ? initrdPath : GUEST_INITRD,
  disk: (path) => path,
});

const choosePci = (machine: Machine, { pci, version }: LaunchOptions): boolean => {
  const hasPci = isAtLeast(version, FIRST_WITH_PCI);
  if (pci === "on" && !hasPci) {
    throw new FlintlockError(
      "unsupported",
      `Firecracker ${showVersion(version)} has no PCI, which ${showVersion(FIRST_WITH_PCI)} has`,
      { hint: "Install a newer one, or do without --firecracker-pci=on." },
    );
  }
  return pci === "on" || (pci === "auto" && hasPci && needsPci(machine));
};

/** COMPAT: `--id` as upstream; its log from the first word on. */
const vmmArgs = (
  { uid }: Machine,
  { metadataLimitBytes, jailer }: LaunchOptions,
  hasPci: boolean,
): readonly string[] => [
  // A jailer gives it itself.
  ...(jailer === undefined ? ["--id", uid] : []),
  ...["--api-sock", API_SOCKET],
  ...["--log-path", LOGGER.log_path, "--level", LOGGER.level, "--show-level", "--show-log-origin"],
  ...["--mmds-size-limit", String(metadataLimitBytes)],
  ...["--http-api-max-payload-size", String(Math.max(DEFAULT_PAYLOAD_BYTES, metadataLimitBytes))],
  ...(hasPci ? ["--enable-pci"] : []),
];

/**
 * What an earlier run left would be taken for this one's, and Firecracker makes no socket where there is one. Log and
 * metrics begin anew: it writes at an offset of its own, which begins at 0.
 */
const clearTraces = async (machine: Machine): Promise<void> => {
  const { directory, guest } = machine;
  await forgetGuestExit(directory);
  await (guest === undefined ? clearGuestStatus(directory) : clearStatusDisk(directory));
  const stale = [API_SOCKET, VSOCK_SOCKET, PID_FILE, GUEST_INITRD, METADATA_FILE, VMM_LOG_FILE, METRICS_FILE];
  await Promise.all(stale.map((name) => rm(join(directory, name), { force: true })));
  // Firecracker before 1.14 makes neither itself.
  await Promise.all([VMM_LOG_FILE, METRICS_FILE].map((name) => touch(join(directory, name))));
  for (const [name, target] of Object.entries(LOG_LINKS)) await link(target, join(directory, name));
};

const writeFiles = async (machine: Machine, requests: readonly VmmRequest[]): Promise<void> => {
  const { directory, guest } = machine;
  const metadata = metadataFile(requests);
  await Promise.all([
    writePrivate(join(directory, CONFIG_FILE), configFile(requests)),
    metadata === undefined ? undefined : writePrivate(join(directory, METADATA_FILE), metadata),
    guest === undefined
      ? undefined
      : writeGuestInitrd(machine, {
          ...guest,
          agent: "vsock",
          status: statusDevice(machine),
        }),
  ]);
};

const spawnWithConsole = async (
  command: { readonly binary: string; readonly args: readonly string[] },
  directory: string,
  processes: VmmProcesses,
): Promise<VmmIdentity> => {
  const input = await openConsoleInput(directory);
  try {
    const stdio = { stdin: input.fd, stdout: CONSOLE_FILE, stderr: STDERR_FILE };
    return await processes.spawn({ ...command, directory, descriptors: [], stdio });
  } finally {
    // The VMM has inherited it.
    await input.close();
  }
};

/** Resolves when its API answers. A VMM that ends first, or hangs, throws. */
const listens = async (
  directory: string,
  identity: VmmIdentity,
  processes: VmmProcesses,
  signal: AbortSignal,
): Promise<void> => {
  using limit = deadline(signal, LAUNCH_TIMEOUT_MS, "starting Firecracker");
  for (let wait = 1; ; wait = Math.min(wait * 2, 25)) {
    try {
      await runState(directory, limit.signal);
      return;
    } catch (error) {
      limit.signal.throwIfAborted();
      if (!(error instanceof FlintlockError) || error.code !== "unavailable") throw error;
    }
    if (!(await processes.isAlive(identity))) {
      throw new FlintlockError("provider_failed", "Firecracker ended at once");
    }
    await pause(wait, limit.signal);
  }
};

/** The error that its last words stand for. */
const earlyDeath = async (directory: string, error: unknown): Promise<FlintlockError> => {
  const words: string[] = [];
  for (const name of [VMM_LOG_FILE, STDERR_FILE]) {
    words.push((await readTail(join(directory, name), MAX_WORDS_BYTES)).trim());
  }
  const said = words.filter((each) => each !== "");
  const refusal = error instanceof FlintlockError && error.code !== "unavailable" ? error.hint : undefined;
  return new FlintlockError("provider_failed", "Firecracker did not start", {
    hint: refusal ?? lastLine(words[1] || words[0] || ""),
    cause: new Error(said.length === 0 ? "it said nothing" : said.join("\n"), { cause: error }),
  });
};

const lastLine = (words: string): string | undefined => words.split("\n").at(-1)?.slice(0, 300) || undefined;

const touch = async (path: string): Promise<void> => {
  await using _made = await open(path, "wx", 0o600);
};

/** The name as it should be, or as it is already. */
const link = async (target: string, path: string): Promise<void> => {
  await symlink(target, path).catch((error: unknown) => {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  });
};

/** Secrets are in both. */
const writePrivate = async (path: string, text: string): Promise<void> => {
  await writeFile(path, text, { mode: 0o600 });
  await chmod(path, 0o600);
};
