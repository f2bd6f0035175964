/**
 * A provider from a driver: how VMMs are found, adopted, waited for and ended is the same for all of them.
 *
 *     VM directory              who writes
 *     vmm.json    identity      we, after each spawn (vmm-process.ts)
 *     vmm.log     its stderr    the VMM
 *     initrd.img  configuration the driver, when the initrd is ours
 *     status.log  its state     the guest, through a channel of the driver's
 *     exit.json   its end       we, when first observed
 *     settings.json             we, before each launch and after each change: what the VMM was given
 *
 * INVARIANTS
 * - Nothing about a machine is kept in memory but open channels and how our own children ended: a new daemon
 *   sees what the old one saw.
 * - Work on one machine is done one call at a time (start, stop, pause); questions are answered meanwhile.
 * - A VMM whose launch was cut off by a daemon's end executes no guest: it is ended, and begun anew.
 */
import { join } from "node:path";
import {
  ADJUSTABLE,
  type Adjustable,
  adjustmentsOf,
  type Clock,
  FlintlockError,
  type Log,
  type Machine,
  type MachineRef,
  type MachineState,
  type Provider,
} from "@flintlock/core";
import { readTail } from "./bounded-log.ts";
import { pause } from "./deadline.ts";
import { watchFile } from "./file-changes.ts";
import { adjustGuest, growthArgs } from "./guest-adjust.ts";
import { catchUpClock } from "./guest-clock.ts";
import { guestExit } from "./guest-exit.ts";
import { readGuestStatus, STATUS_LOG } from "./guest-status.ts";
import { reportsState } from "./initrd.ts";
import { createKeyedLock } from "./keyed-lock.ts";
import { readLiveSettings, writeLiveSettings } from "./live-settings.ts";
import { watchLogs } from "./log-watch.ts";
import { ageMs } from "./proc.ts";
import { shutDown } from "./shutdown.ts";
import type { VmmDriver } from "./vmm-driver.ts";
import { createVmmProcesses, type VmmIdentity, type VmmSearch } from "./vmm-process.ts";

/** How soon a VMM's death or the watchdog is noticed while a guest boots; its words are noticed at once */
const READY_POLL_MS = 250;
/** Between two looks: a guest that writes without end does not keep the daemon reading */
const SOONEST_LOOK_MS = 10;
const LAST_LINES_BYTES = 2000;
const MIB = 1024 * 1024;

export interface VmmProviderOptions {
  readonly log: Log;
  readonly clock?: Pick<Clock, "now">;
  /** From the VMM's start to the guest's `ready` */
  readonly bootDeadlineMs: number;
}

export interface VmmProvider extends Provider {
  /** Lets go of channels and timers; the machines run on. */
  close(): Promise<void>;
}

export const createVmmProvider = (driver: VmmDriver, options: VmmProviderOptions): VmmProvider => {
  const { log } = options;
  const traits = {
    ...driver.traits,
    adjusts: new Set(ADJUSTABLE.filter((kind) => kind in driver.adjusters)),
  };
  const now = (): number => options.clock?.now() ?? Date.now();
  const processes = createVmmProcesses();
  const lock = createKeyedLock();
  const watched = watchLogs(driver.logs, log);
  const find = async (ref: MachineRef): Promise<VmmSearch> =>
    processes.find(ref.directory, driver.marker(ref.uid), await driver.jail?.(ref));

  const exitOf = (ref: MachineRef, identity: VmmIdentity, reason?: string): ReturnType<typeof guestExit> =>
    guestExit({
      directory: ref.directory,
      identity,
      end: processes.end(identity),
      now: now(),
      endedWell: () => driver.endedWell(ref.directory),
      ...(reason !== undefined && { reason }),
    });

  const startOnce = async (machine: Machine, signal: AbortSignal): Promise<void> => {
    const found = await find(machine);
    if (found.state === "running") {
      if (await driver.hasLaunched(machine, found.identity)) return;
      log.warn("a VMM that a daemon did not finish to start is started anew", { uid: machine.uid });
      await processes.terminate(found.identity, 0, signal);
    }
    if (found.state !== "never-started") await driver.tidy(machine);
    await writeLiveSettings(machine, { applied: machine, ...(await driver.leeway?.(machine, signal)) });
    const { pid } = await driver.launch(machine, processes, signal);
    log.info("VMM started", { uid: machine.uid, pid });
  };

  const attend = async (ref: MachineRef, identity: VmmIdentity): Promise<void> => {
    watched.add(ref.directory);
    await driver.attend?.(ref, {
      isAlive: () => processes.isAlive(identity),
      end: async (reason) => {
        if (!(await processes.isAlive(identity))) return;
        // Before the end: whoever sees that first would have to guess.
        await exitOf(ref, identity, reason);
        await processes.terminate(identity, 0, new AbortController().signal);
      },
    });
  };

  const finishLaunch = async (machine: Machine, signal: AbortSignal): Promise<void> => {
    const found = await find(machine);
    const isCutOff = found.state === "running" && !(await driver.hasLaunched(machine, found.identity));
    if (isCutOff) await startOnce(machine, signal);
  };

  const turn = async (ref: MachineRef, isPaused: boolean, signal: AbortSignal): Promise<void> => {
    const found = await find(ref);
    if (found.state !== "running") throw notRunning();
    const stoodStill = !isPaused && (await driver.isPaused(ref, found.identity));
    await driver.setPaused(ref, isPaused, signal, found.identity);
    if (stoodStill) await catchUpClock(ref, { driver, now, log }, signal);
  };

  const adjustOnce = async (machine: Machine, signal: AbortSignal): Promise<void> => {
    const found = await find(machine);
    if (found.state !== "running") throw notRunning();
    const live = await readLiveSettings(machine);
    if (live === undefined) return;
    let { applied } = live;
    for (const kind of adjustmentsOf(machine, live, traits.adjusts)) {
      await driver.adjusters[kind]?.(machine, { applied, identity: found.identity }, signal);
      await adjustGuest(machine, GUEST_PART[kind]?.(machine) ?? [], driver, signal);
      applied = { ...applied, [kind]: machine[kind] };
      await writeLiveSettings(machine, { ...live, applied });
      log.info("machine adjusted", { uid: machine.uid, what: kind });
    }
  };

  return {
    traits,
    agentSocket: driver.agentSocket,
    availability: (signal) => driver.availability(signal),

    hostUser: async (ref) => await driver.hostUser?.(ref),

    async start(machine, signal) {
      await lock.run(machine.uid, () => startOnce(machine, signal));
      const found = await find(machine);
      if (found.state === "running") await attend(machine, found.identity);
    },

    async awaitReady(machine, signal) {
      await lock.run(machine.uid, () => finishLaunch(machine, signal));
      if (machine.guest === undefined) return;
      using statusChanges = watchFile(machine.directory, STATUS_LOG);
      for (;;) {
        // Asked before the status is read: a guest that was ready and is gone since counts as ready.
        const found = await find(machine);
        const status = await readGuestStatus(machine.directory);
        if (status.isReady) return;
        if (status.error !== undefined) throw refused(`${status.error.step}: ${status.error.message}`);
        if (found.state !== "running") throw bootFailed("it ended", await wordsOf(machine.directory, driver));
        if ((await ageMs(found.identity.startTime)) > options.bootDeadlineMs) {
          throw new FlintlockError(
            "deadline_exceeded",
            `the guest was not ready within ${options.bootDeadlineMs} ms (boot watchdog)`,
            { hint: "Its console tells how far it came.", cause: await wordsOf(machine.directory, driver) },
          );
        }
        await pause(SOONEST_LOOK_MS, signal);
        await statusChanges.next(READY_POLL_MS, signal);
      }
    },

    async stop(ref, graceMs, signal) {
      await lock.run(ref.uid, async () => {
        const found = await find(ref);
        if (found.state === "running") {
          const guest = { isOurs: await reportsState(ref.directory), graceMs };
          const byItself = await shutDown(ref, found.identity, guest, { processes, driver, log }, signal);
          await exitOf(ref, found.identity, byItself ? undefined : "ended by the host");
          log.info("VMM ended", { uid: ref.uid, byItself });
        }
        await driver.tidy(ref);
      });
    },

    adjust: (machine, signal) => lock.run(machine.uid, () => adjustOnce(machine, signal)),

    pause: (ref, signal) => lock.run(ref.uid, () => turn(ref, true, signal)),

    resume: (ref, signal) => lock.run(ref.uid, () => turn(ref, false, signal)),

    async observe(ref): Promise<MachineState> {
      const found = await find(ref);
      if (found.state === "never-started") return { state: "absent" };
      if (found.state === "gone") return { state: "exited", ...(await exitOf(ref, found.identity)) };
      await attend(ref, found.identity);
      const { pid } = found.identity;
      // Of a guest that does not say: that it executes. A daemon may have ended in the middle of its launch.
      const isReady = (await reportsState(ref.directory))
        ? (await readGuestStatus(ref.directory)).isReady
        : await driver.hasLaunched(ref, found.identity);
      const isPaused = await driver.isPaused(ref, found.identity);
      return { state: "running", isReady, isPaused, pid, settings: await readLiveSettings(ref) };
    },

    async metrics(machine, scope, signal) {
      signal.throwIfAborted();
      const found = await find(machine);
      return found.state === "running" ? await driver.metrics(machine, found.identity, scope, signal) : [];
    },

    async exited(ref, signal) {
      const found = await find(ref);
      if (found.state === "running") await processes.exited(found.identity, signal);
    },

    connect: (ref, port, signal) => driver.connect(ref, port, signal),

    console: (ref, signal) => driver.console(ref, signal),

    async close() {
      watched.stop();
      await driver.close();
    },
  };
};

/** What the guest is told once the VMM has done its own. */
const GUEST_PART: { readonly [K in Adjustable]?: (machine: Machine) => readonly string[] } = {
  diskMib: growthArgs,
  vcpu: ({ vcpu }) => ["processors", String(vcpu)],
  memoryMib: ({ memoryMib }) => ["memory", String(memoryMib * MIB)],
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
const wordsOf = async (directory: string, { lastWords }: VmmDriver): Promise<Error> => {
  const words: string[] = [];
  for (const [who, file] of Object.entries(lastWords)) {
    words.push(`${who}: ${(await readTail(join(directory, file), LAST_LINES_BYTES)).trim()}`);
  }
  return new Error(words.join("\n"));
};
