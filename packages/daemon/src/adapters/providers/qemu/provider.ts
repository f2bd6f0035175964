/**
 * The QEMU provider: boots with KVM where it works and without it (TCG) where it does not, needs no privilege.
 *
 *     VM directory              who writes
 *     vmm.json    identity      we, after each spawn (shared/vmm-process.ts)
 *     vmm.log     its stderr    QEMU
 *     vmm.pid     locked        QEMU: a second one in the same directory refuses to start
 *     initrd.img  configuration we, when the initrd is ours
 *     status.log  its state     the guest, through dev.flintlock.status
 *     console.log its console   QEMU
 *     exit.json   its end       we, when first observed
 *     *.sock      QMP, agent, console
 *
 * INVARIANTS
 * - Nothing about a machine is kept in memory but open channels and how our own children ended: a new daemon
 *   sees what the old one saw.
 * - Work on one machine is done one call at a time (start, stop); questions are answered meanwhile.
 */
import { join } from "node:path";
import {
  type Clock,
  FlintlockError,
  type Log,
  type Machine,
  type MachineRef,
  type MachineState,
  type Provider,
  type ProviderTraits,
} from "@flintlock/core";
import { createAgentSockets } from "../shared/agent-sockets.ts";
import { readTail } from "../shared/bounded-log.ts";
import { watchFile } from "../shared/file-changes.ts";
import { guestExit } from "../shared/guest-exit.ts";
import { readGuestStatus, STATUS_LOG } from "../shared/guest-status.ts";
import { reportsState } from "../shared/initrd.ts";
import { createKeyedLock } from "../shared/keyed-lock.ts";
import { watchLogs } from "../shared/log-watch.ts";
import { ageMs } from "../shared/proc.ts";
import { createVmmProcesses, VMM_LOG, type VmmIdentity, type VmmSearch } from "../shared/vmm-process.ts";
import { type AcceleratorReport, probeAccelerator } from "./accelerator.ts";
import { CONSOLE_LOG, type HostFacts, vmmMarker } from "./args.ts";
import { createChannels } from "./channels.ts";
import { createConsoles } from "./console.ts";
import { launch } from "./launch.ts";
import { machineMetrics } from "./metrics.ts";
import { isPaused, setPaused } from "./run-state.ts";
import { shutDown } from "./shutdown.ts";
import { hostTscKhz } from "./tsc.ts";

const TRAITS: ProviderTraits = {
  name: "qemu",
  capabilities: new Set(["user-network", "macvtap", "cpu-features"]),
  diskFormats: ["qcow2", "raw"],
  maxVcpu: 64,
};
/** How soon a VMM's death or the watchdog is noticed while a guest boots; its words are noticed at once */
const READY_POLL_MS = 250;
const STATUS_BOUNDS = { maxBytes: 1024 * 1024, keepBytes: 32 * 1024 };
const LAST_LINES_BYTES = 2000;

export interface QemuOptions {
  /** Name or path of `qemu-system-x86_64` */
  readonly binary: string;
  /** `auto` runs a guest under KVM once to find out */
  readonly accelerator: "auto" | "kvm" | "tcg";
  /** Where the answer to `auto` is kept */
  readonly stateFile: string;
  /** For the sockets that lead to guests' agents; short: a socket's path has 107 bytes */
  readonly agentSocketsDir: string;
  readonly log: Log;
  readonly clock?: Pick<Clock, "now">;
  /** From the VMM's start to the guest's `ready` */
  readonly bootDeadlineMs: number;
  /** The host's TSC rate, or that it is unknown; left out, the host is asked */
  readonly tscKhz?: number | undefined;
}

export interface QemuProvider extends Provider {
  /** What guests run on. @throws FlintlockError `unsupported` – QEMU cannot be run */
  accelerator(signal: AbortSignal): Promise<AcceleratorReport>;
  /** Lets go of channels and timers; the machines run on. */
  close(): Promise<void>;
}

export const createQemuProvider = (options: QemuOptions): QemuProvider => {
  const { log } = options;
  const processes = createVmmProcesses();
  const channels = createChannels();
  const consoles = createConsoles();
  const lock = createKeyedLock();
  const questions = createKeyedLock();
  const watched = watchLogs(
    { [CONSOLE_LOG]: undefined, [VMM_LOG]: undefined, [STATUS_LOG]: STATUS_BOUNDS },
    log,
  );
  let report: AcceleratorReport | undefined;

  const accelerator = async (signal: AbortSignal): Promise<AcceleratorReport> => {
    const { accelerator: wanted, binary, stateFile } = options;
    report ??= await lock.run("accelerator", () =>
      wanted === "auto"
        ? probeAccelerator({ binary, stateFile }, signal)
        : Promise.resolve({ accelerator: wanted, reason: "configured" }),
    );
    return report;
  };
  const tscKhz = once(hostTscKhz);
  const facts = async (signal: AbortSignal): Promise<HostFacts> => ({
    accelerator: (await accelerator(signal)).accelerator,
    tscKhz: "tscKhz" in options ? options.tscKhz : await tscKhz(),
  });
  const find = (ref: MachineRef): Promise<VmmSearch> => processes.find(ref.directory, vmmMarker(ref.uid));

  const exitOf = (ref: MachineRef, identity: VmmIdentity, reason?: string): ReturnType<typeof guestExit> =>
    guestExit({
      directory: ref.directory,
      identity,
      end: processes.end(identity),
      now: options.clock?.now() ?? Date.now(),
      ...(reason !== undefined && { reason }),
    });

  const startOnce = async (machine: Machine, signal: AbortSignal): Promise<void> => {
    const found = await find(machine);
    if (found.state === "running") return;
    const host = await facts(signal);
    const { pid } = await launch(machine, options.binary, host, processes, signal);
    log.info("VMM started", { uid: machine.uid, pid, ...host });
  };

  /** To a standstill, or on. */
  const turn = async (ref: MachineRef, toPause: boolean, signal: AbortSignal): Promise<void> => {
    if ((await find(ref)).state !== "running") throw notRunning();
    await questions.run(ref.uid, () => setPaused(ref.directory, toPause, signal));
  };

  const connect: Provider["connect"] = async (ref, port, signal) =>
    (await channels.channel(ref, signal)).open(port);
  const agentSockets = createAgentSockets({ directory: options.agentSocketsDir, connect, log });

  return {
    traits: TRAITS,
    agentSocket: agentSockets,
    accelerator,

    async availability(signal) {
      try {
        const { accelerator: name, reason } = await accelerator(signal);
        return { isUsable: true, reason: `${name}: ${reason}` };
      } catch (error) {
        signal.throwIfAborted();
        return { isUsable: false, reason: error instanceof Error ? error.message : String(error) };
      }
    },

    async start(machine, signal) {
      await lock.run(machine.uid, () => startOnce(machine, signal));
      watched.add(machine.directory);
    },

    async awaitReady(machine, signal) {
      if (machine.guest === undefined) return;
      using statusChanges = watchFile(machine.directory, STATUS_LOG);
      for (;;) {
        // Asked before the status is read: a guest that was ready and is gone since counts as ready.
        const found = await find(machine);
        const status = await readGuestStatus(machine.directory);
        if (status.isReady) return;
        if (status.error !== undefined) throw refused(`${status.error.step}: ${status.error.message}`);
        if (found.state !== "running") throw bootFailed("it ended", await lastWords(machine.directory));
        if ((await ageMs(found.identity.startTime)) > options.bootDeadlineMs) {
          throw new FlintlockError(
            "deadline_exceeded",
            `the guest was not ready within ${options.bootDeadlineMs} ms (boot watchdog)`,
            { hint: "Its console tells how far it came.", cause: await lastWords(machine.directory) },
          );
        }
        await statusChanges.next(READY_POLL_MS, signal);
      }
    },

    async stop(ref, graceMs, signal) {
      await lock.run(ref.uid, async () => {
        const found = await find(ref);
        if (found.state !== "running") return;
        const guest = { isOurs: await reportsState(ref.directory), graceMs };
        const byItself = await shutDown(ref, found.identity, guest, { processes, channels, log }, signal);
        await exitOf(ref, found.identity, byItself ? undefined : "ended by the host");
        log.info("VMM ended", { uid: ref.uid, byItself });
      });
    },

    pause: (ref, signal) => lock.run(ref.uid, () => turn(ref, true, signal)),

    resume: (ref, signal) => lock.run(ref.uid, () => turn(ref, false, signal)),

    async observe(ref): Promise<MachineState> {
      const found = await find(ref);
      if (found.state === "never-started") return { state: "absent" };
      if (found.state === "gone") return { state: "exited", ...(await exitOf(ref, found.identity)) };
      watched.add(ref.directory);
      const isReady = !(await reportsState(ref.directory)) || (await readGuestStatus(ref.directory)).isReady;
      const paused = await questions.run(ref.uid, () => isPaused(ref.directory));
      return { state: "running", isReady, isPaused: paused, pid: found.identity.pid };
    },

    async metrics(machine, scope, signal) {
      signal.throwIfAborted();
      const found = await find(machine);
      if (found.state !== "running") return [];
      return await machineMetrics(machine, found.identity, { scope, lock: questions }, signal);
    },

    async exited(ref, signal) {
      const found = await find(ref);
      if (found.state === "running") await processes.exited(found.identity, signal);
    },

    connect,

    console: (ref, signal) => consoles.open(ref, signal),

    async close() {
      watched.stop();
      await agentSockets.end();
      await channels.close();
    },
  };
};

/** The guest's own init says why it cannot go on: trying again will not help. */
const refused = (what: string): FlintlockError =>
  new FlintlockError("failed_precondition", `the guest did not boot: ${what}`, {
    hint: "Mend the image or the request.",
  });

const bootFailed = (what: string, cause?: Error): FlintlockError =>
  new FlintlockError("provider_failed", `the guest did not boot: ${what}`, {
    hint: "Its console tells more.",
    cause,
  });

const notRunning = (): FlintlockError =>
  new FlintlockError("failed_precondition", "the microVM does not run", { hint: "Start it first." });

/** What console and VMM said last. */
const lastWords = async (directory: string): Promise<Error> => {
  const console = await readTail(join(directory, CONSOLE_LOG), LAST_LINES_BYTES);
  const vmm = await readTail(join(directory, VMM_LOG), LAST_LINES_BYTES);
  return new Error(`console: ${console.trim()}\nVMM: ${vmm.trim()}`);
};

/** The rate does not change while the host runs. */
const once = <T>(ask: () => Promise<T>): (() => Promise<T>) => {
  let answer: Promise<T> | undefined;
  return () => {
    answer ??= ask();
    return answer;
  };
};
