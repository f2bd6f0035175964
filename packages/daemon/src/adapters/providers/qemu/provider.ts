/**
 * The QEMU provider: boots with KVM where it works and without it (TCG) where it does not, needs no privilege.
 *
 * Besides what every VMM has in its directory (shared/vmm-provider.ts):
 *
 *     vmm.pid     locked        QEMU: a second one in the same directory refuses to start
 *     status.log  its state     the guest, through dev.flintlock.status
 *     console.log its console   QEMU
 *     *.sock      QMP, agent, console
 */
import { access } from "node:fs/promises";
import { join } from "node:path";
import { type Capability, type Provider, toFlintlockError } from "@flintlock/core";
import { createAgentSockets } from "../shared/agent-sockets.ts";
import { STATUS_LOG } from "../shared/guest-status.ts";
import { createKeyedLock } from "../shared/keyed-lock.ts";
import { launchWith, type Virtiofs } from "../shared/virtiofsd.ts";
import { VIRTIOFS_LOG } from "../shared/virtiofsd-process.ts";
import type { VmmDriver } from "../shared/vmm-driver.ts";
import { VMM_LOG } from "../shared/vmm-process.ts";
import { createVmmProvider, type VmmProvider, type VmmProviderOptions } from "../shared/vmm-provider.ts";
import { type AcceleratorReport, probeAccelerator, qemuVersion } from "./accelerator.ts";
import { qemuAdjusters } from "./adjust.ts";
import { CONSOLE_LOG, type HostFacts, PID_FILE, vmmMarker } from "./args.ts";
import { createChannels } from "./channels.ts";
import { createConsoles } from "./console.ts";
import { launch } from "./launch.ts";
import { machineMetrics } from "./metrics.ts";
import { hasLaunched, isPaused, pressPowerButton, setPaused } from "./run-state.ts";
import { hostTscKhz } from "./tsc.ts";

const CAPABILITIES: readonly Capability[] = [
  "user-network",
  "macvtap",
  "cpu-features",
  "disk-limits",
  "balloon",
];

const traitsOf = (virtiofs: Virtiofs | undefined): VmmDriver["traits"] => ({
  name: "qemu",
  capabilities: new Set([...CAPABILITIES, ...(virtiofs?.isAvailable ? (["virtiofs"] as const) : [])]),
  diskFormats: ["qcow2", "raw"],
  maxVcpu: 64,
});
const STATUS_BOUNDS = { maxBytes: 1024 * 1024, keepBytes: 32 * 1024 };

export interface QemuOptions extends VmmProviderOptions {
  /** Name or path of `qemu-system-x86_64` */
  readonly binary: string;
  /** `auto` runs a guest under KVM once to find out */
  readonly accelerator: "auto" | "kvm" | "tcg";
  /** Where the answer to `auto` is kept */
  readonly stateFile: string;
  /** For the sockets that lead to guests' agents; short: a socket's path has 107 bytes */
  readonly agentSocketsDir: string;
  /** Undefined = no directory of the host is shared */
  readonly virtiofs?: Virtiofs | undefined;
  /** The host's TSC rate, or that it is unknown; left out, the host is asked */
  readonly tscKhz?: number | undefined;
}

export interface QemuProvider extends VmmProvider {
  /** What guests run on. @throws FlintlockError `unsupported` – QEMU cannot be run */
  accelerator(signal: AbortSignal): Promise<AcceleratorReport>;
}

export const createQemuProvider = (options: QemuOptions): QemuProvider => {
  const accelerator = acceleratorOf(options);
  return { ...createVmmProvider(qemuDriver(options, accelerator), options), accelerator };
};

type Accelerator = QemuProvider["accelerator"];

const qemuDriver = (options: QemuOptions, accelerator: Accelerator): VmmDriver => {
  const { log, virtiofs } = options;
  const channels = createChannels();
  const consoles = createConsoles();
  /** QMP serves one client at a time */
  const questions = createKeyedLock();
  const tscKhz = once(hostTscKhz);
  let version: string | undefined;
  const facts = async (signal: AbortSignal): Promise<HostFacts> => ({
    accelerator: (await accelerator(signal)).accelerator,
    tscKhz: "tscKhz" in options ? options.tscKhz : await tscKhz(),
  });
  const connect: Provider["connect"] = async (ref, port, signal) =>
    (await channels.channel(ref, signal)).open(port);
  const agentSockets = createAgentSockets({ directory: options.agentSocketsDir, connect, log });

  return {
    traits: traitsOf(virtiofs),
    adjusters: qemuAdjusters(questions),
    agentSocket: agentSockets,
    logs: {
      [CONSOLE_LOG]: undefined,
      [VMM_LOG]: undefined,
      [STATUS_LOG]: STATUS_BOUNDS,
      [VIRTIOFS_LOG]: undefined,
    },
    lastWords: { console: CONSOLE_LOG, VMM: VMM_LOG },

    async availability(signal) {
      try {
        version ??= await qemuVersion(options.binary, signal);
        const { accelerator: name, reason } = await accelerator(signal);
        const isSlow = name === "tcg" && options.accelerator === "auto";
        return {
          isUsable: true,
          reason: `${version}, ${name}: ${reason}`,
          ...(isSlow && { hint: "guests are emulated, much slower than under KVM" }),
        };
      } catch (error) {
        signal.throwIfAborted();
        const { message, hint } = toFlintlockError(error);
        return { isUsable: false, reason: message, hint };
      }
    },

    marker: vmmMarker,

    async launch(machine, processes, signal) {
      const host = await facts(signal);
      return await launchWith(virtiofs, machine, signal, () =>
        launch(machine, options.binary, host, processes, signal),
      );
    },

    attend: async (ref, vmm) => await virtiofs?.attend(ref, vmm),

    // The guest executes as soon as QEMU does, unless it waits for its balloon.
    hasLaunched: (ref) => questions.run(ref.uid, () => hasLaunched(ref.directory)),

    pressPowerButton: (ref, signal) => questions.run(ref.uid, () => pressPowerButton(ref.directory, signal)),

    setPaused: (ref, toPause, signal) =>
      questions.run(ref.uid, () => setPaused(ref.directory, toPause, signal)),

    isPaused: (ref) => questions.run(ref.uid, () => isPaused(ref.directory)),

    endedWell: (directory) =>
      access(join(directory, PID_FILE)).then(
        () => false,
        () => true,
      ),

    tidy: async (ref) => await virtiofs?.stop(ref),

    metrics: (machine, identity, scope, signal) =>
      machineMetrics(machine, identity, { scope, lock: questions }, signal),

    connect,

    console: (ref, signal) => consoles.open(ref, signal),

    async close() {
      await agentSockets.end();
      await channels.close();
    },
  };
};

/** Found out once. */
const acceleratorOf = ({ accelerator: wanted, binary, stateFile }: QemuOptions): Accelerator => {
  const lock = createKeyedLock();
  let report: AcceleratorReport | undefined;
  return async (signal) => {
    report ??= await lock.run("accelerator", () =>
      wanted === "auto"
        ? probeAccelerator({ binary, stateFile }, signal)
        : Promise.resolve({ accelerator: wanted, reason: "configured" }),
    );
    return report;
  };
};

/** The rate does not change while the host runs. */
const once = <T>(ask: () => Promise<T>): (() => Promise<T>) => {
  let answer: Promise<T> | undefined;
  return () => {
    answer ??= ask();
    return answer;
  };
};
