/**
 * The Firecracker provider: 1.10 and newer, with KVM, driven over its API.
 *
 * Besides what every VMM has in its directory (shared/vmm-provider.ts):
 *
 *     firecracker.cfg, metadata.json   what it was told     we, for people and tools
 *     firecracker.pid                  its pid              we
 *     firecracker.log, .metrics        its words, numbers   Firecracker
 *     firecracker.stdout, .stderr      the console, errors  Firecracker, through descriptors of ours
 *     firecracker.stdin                what is typed        a FIFO that Firecracker holds
 *     status.log                       a disk of 64 KiB     the guest, when it is ours
 *     firecracker.sock                 its API              Firecracker; with a jail a link into it
 *     guest-agent.vsock                the guest's vsock    likewise
 *     jail.json                        its jail             we, before the spawn
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { FlintlockError, type MachineRef } from "@flintlock/core";
import { createAgentLinks } from "../shared/agent-links.ts";
import { readTail } from "../shared/bounded-log.ts";
import { createKeyedLock } from "../shared/keyed-lock.ts";
import type { VmmDriver } from "../shared/vmm-driver.ts";
import { createVmmProvider, type VmmProvider, type VmmProviderOptions } from "../shared/vmm-provider.ts";
import { openVsockStream } from "../shared/vsock-stream.ts";
import { firecrackerAdjusters } from "./adjust.ts";
import { createConsoles } from "./console.ts";
import { CONSOLE_FILE, METRICS_FILE, STDERR_FILE, VMM_LOG_FILE, VSOCK_SOCKET } from "./files.ts";
import { availability, firecrackerVersion } from "./host.ts";
import { createJailer, type JailerOptions, jailOf, tidyJail } from "./jail/jailer.ts";
import { createKernels } from "./kernel/kernels.ts";
import { type LaunchOptions, launch } from "./launch.ts";
import { createMetricsReader } from "./metrics.ts";
import { hasProcessors, isPaused, isStopped, pressCtrlAltDel, runState, setPaused } from "./run-state.ts";
import type { FirecrackerVersion } from "./version.ts";

const TRAITS: VmmDriver["traits"] = {
  name: "firecracker",
  capabilities: new Set(["metadata-service", "vsock", "kvm-capabilities", "rate-limits", "balloon"]),
  diskFormats: ["raw"],
  maxVcpu: 32,
};
/** Firecracker writes these at an offset of its own */
const LOG_BOUNDS = { maxBytes: 8 * 1024 * 1024, keepBytes: 1024 * 1024, hasOffset: true };
/** Some hours of lines: a counter that nobody asks for loses what is cut */
const METRICS_BOUNDS = { maxBytes: 8 * 1024 * 1024, keepBytes: 4 * 1024 * 1024, hasOffset: true };
const ENDED_WELL = /exiting successfully\. exit_code=0\s*$/;
const LAST_LINE_BYTES = 512;

export interface FirecrackerOptions extends VmmProviderOptions {
  /** Name or path of `firecracker` */
  readonly binary: string;
  /** For kernels taken out of bzImages */
  readonly kernelsDir: string;
  /** For the links that lead to guests' agents; short: a socket's path has 107 bytes */
  readonly agentSocketsDir: string;
  /** Why no guest runs under KVM here, where somebody has tried; left out or undefined: that its device opens must do */
  readonly kvmObstacle?: (signal: AbortSignal) => Promise<string | undefined>;
  /** Left out: `auto` */
  readonly pci?: LaunchOptions["pci"];
  /** Left out: V1, which asks for no token, as images' cloud-init wants it */
  readonly metadataVersion?: LaunchOptions["metadataVersion"];
  /** Left out: Firecracker's own, 51200 */
  readonly metadataLimitBytes?: number;
  /** Left out: no jail */
  readonly jail?: JailerOptions | undefined;
}

export const DEFAULT_METADATA_LIMIT_BYTES = 51_200;

export const createFirecrackerProvider = (options: FirecrackerOptions): VmmProvider =>
  createVmmProvider(firecrackerDriver(options), options);

const firecrackerDriver = (options: FirecrackerOptions): VmmDriver => {
  const { binary } = options;
  const consoles = createConsoles();
  const kernels = createKernels(options.kernelsDir);
  const metrics = createMetricsReader(createKeyedLock());
  const version = versionOf(binary);
  const jailer = options.jail === undefined ? undefined : createJailer(options.jail);

  return {
    traits: TRAITS,
    adjusters: firecrackerAdjusters((machine) => jailer?.paths(machine) ?? { disk: (path) => path }),
    agentSocket: createAgentLinks({ directory: options.agentSocketsDir, socketName: VSOCK_SOCKET }),
    logs: {
      [CONSOLE_FILE]: undefined,
      [STDERR_FILE]: undefined,
      [VMM_LOG_FILE]: LOG_BOUNDS,
      [METRICS_FILE]: METRICS_BOUNDS,
    },
    lastWords: { console: CONSOLE_FILE, VMM: VMM_LOG_FILE, "VMM's errors": STDERR_FILE },

    availability: (signal) => availability(version, options.kvmObstacle ?? UNTRIED, signal),

    // `--id <uid>`: the word itself.
    marker: (uid) => uid,

    jail: (ref) => jailOf(ref.directory),

    hostUser: async (ref) => {
      if (jailer === undefined) return undefined;
      const id = await jailer.userId(ref);
      return { uid: id, gid: id };
    },

    launch: async (machine, processes, signal) =>
      await launch(
        machine,
        {
          binary,
          version: await version(signal),
          kernels,
          pci: options.pci ?? "auto",
          metadataVersion: options.metadataVersion ?? "V1",
          metadataLimitBytes: options.metadataLimitBytes ?? DEFAULT_METADATA_LIMIT_BYTES,
          jailer,
        },
        processes,
        signal,
      ),

    hasLaunched: async (ref, { pid }) => {
      // Only a guest that executes is ever paused.
      if (await isStopped(pid)) return true;
      try {
        return (await runState(ref.directory, new AbortController().signal)) !== "Not started";
      } catch (error) {
        if (!(error instanceof FlintlockError)) throw error;
        // Busy, or its socket is gone: its processors' threads tell as well.
        const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
        return await hasProcessors(pid, threads);
      }
    },

    pressPowerButton: (ref, signal) => pressCtrlAltDel(ref.directory, signal),
    setPaused: (ref, toPause, signal, { pid }) => setPaused(ref.directory, pid, toPause, signal),
    isPaused: (ref, { pid }) => isPaused(ref.directory, pid),

    endedWell: async (directory) =>
      ENDED_WELL.test(await readTail(join(directory, VMM_LOG_FILE), LAST_LINE_BYTES)),

    tidy: async (ref) => {
      metrics.forget(ref.uid);
      await tidyJail(ref);
    },

    metrics: (machine, identity, scope, signal) => metrics.read(machine, identity, scope, signal),

    connect: (ref, port, signal) => openVsockStream(vsockOf(ref), port, signal),

    console: (ref, signal) => consoles.open(ref, signal),

    close: async () => {},
  };
};

const UNTRIED = async (): Promise<undefined> => undefined;

const vsockOf = ({ directory }: MachineRef): Parameters<typeof openVsockStream>[0] => ({
  directory,
  name: VSOCK_SOCKET,
  halfCloses: false,
});

/** Asked once; a binary that is replaced by an upgrade is seen by the next daemon. */
const versionOf = (binary: string): ((signal: AbortSignal) => Promise<FirecrackerVersion>) => {
  let known: FirecrackerVersion | undefined;
  return async (signal) => {
    known ??= await firecrackerVersion(binary, signal);
    return known;
  };
};
