/**
 * The life of a VMM process, which outlives the daemon that started it.
 *
 * A VMM runs in a session of its own, writes to files, and is found again by any later daemon: first through
 * `<directory>/vmm.json`, and, when a crash came between the spawn and that record, by looking through `/proc`
 * for a process of ours whose command line carries the machine's marker.
 *
 * INVARIANTS
 * - `vmm.json` is removed before a spawn and written after it. So: no record means "look in /proc", and a
 *   record whose process is gone means "it ran and has ended".
 * - No signal is sent before pid, start time and boot id were compared with the record.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { FlintlockError } from "@flintlock/core";
import { pause, unlessAborted } from "./deadline.ts";
import {
  identifySync,
  listPids,
  readBootId,
  readCmdline,
  readCwdSync,
  readEuid,
  readStat,
  readStatSync,
} from "./proc.ts";
import { readJson, writeJson } from "./vm-files.ts";

const RECORD = "vmm.json";
/** The VMM's stdout and stderr, appended to */
export const VMM_LOG = "vmm.log";
/** How often a process that is not our child is looked at */
const POLL_MS = 200;
/** Looked at without a pause, some milliseconds */
const PIDS_AT_ONCE = 512;
/** Of how many VMMs the end is remembered */
const MAX_REMEMBERED = 1024;
/** After KILL only a process stuck in the kernel remains */
const KILL_WAIT_MS = 5000;

export interface VmmIdentity {
  readonly pid: number;
  /** Clock ticks since the host's boot */
  readonly startTime: string;
  readonly bootId: string;
}

export interface VmmCommand {
  readonly binary: string;
  readonly args: readonly string[];
  /** What the process has as its own name, for a VMM that takes a marker nowhere else; absent = `binary` */
  readonly argv0?: string;
  /** Working directory, and where the record and the log go */
  readonly directory: string;
  /** Open descriptors that the VMM finds as 3, 4, … */
  readonly descriptors: readonly number[];
  /** Where it reads and writes; left out: nothing, and the log */
  readonly stdio?: VmmStdio;
}

export interface VmmStdio {
  /** An open descriptor */
  readonly stdin: number;
  /** Names in the directory, appended to */
  readonly stdout: string;
  readonly stderr: string;
}

/** A VMM that a jailer has moved: to another root directory, and to another user. */
export interface VmmJail {
  readonly root: string;
  readonly uid: number;
}

export interface ChildEnd {
  readonly code: number | undefined;
  readonly signal: string | undefined;
}

export type VmmSearch =
  | { readonly state: "never-started" }
  | { readonly state: "running"; readonly identity: VmmIdentity }
  | { readonly state: "gone"; readonly identity: VmmIdentity };

export interface VmmProcesses {
  /** Starts the VMM. The caller has made sure that `find` finds none. @throws FlintlockError `provider_failed` */
  spawn(command: VmmCommand): Promise<VmmIdentity>;
  /**
   * Finds the machine's VMM whoever started it; `marker` is in its command line and in no other's. With a `jail` it may
   * be there as well.
   */
  find(directory: string, marker: string, jail?: VmmJail): Promise<VmmSearch>;
  isAlive(identity: VmmIdentity): Promise<boolean>;
  /** TERM, `graceMs` to end, KILL. Gone is success. @throws FlintlockError `provider_failed` – it survives KILL */
  terminate(identity: VmmIdentity, graceMs: number, signal: AbortSignal): Promise<void>;
  /** Resolves when the process is gone. */
  exited(identity: VmmIdentity, signal: AbortSignal): Promise<void>;
  /** How it ended; known only of a VMM this daemon started. */
  end(identity: VmmIdentity): ChildEnd | undefined;
}

export const createVmmProcesses = (): VmmProcesses => {
  const children = new Map<string, Child>();

  const isAlive = async (identity: VmmIdentity): Promise<boolean> =>
    (await readStat(identity.pid))?.startTime === identity.startTime &&
    (await readBootId()) === identity.bootId;

  const endsWithin = async (identity: VmmIdentity, ms: number, signal: AbortSignal): Promise<boolean> => {
    const deadline = performance.now() + ms;
    for (let wait = 5; await isAlive(identity); wait = Math.min(wait * 2, 100)) {
      if (performance.now() >= deadline) return false;
      await pause(wait, signal);
    }
    return true;
  };

  return {
    isAlive,

    async spawn(command) {
      await rm(join(command.directory, RECORD), { force: true });
      const child = startChild(command);
      // Read before the event loop turns: until then nobody reaps it, so even a stillborn VMM has a start time.
      const stat = child.pid === undefined ? undefined : readStatSync(child.pid);
      const ended = watchEnd(child);
      await spawned(child, command.binary);
      if (stat === undefined) throw new FlintlockError("internal", "a spawned VMM has no start time");
      const identity = { pid: stat.pid, startTime: stat.startTime, bootId: await readBootId() };
      forgetOldest(children);
      children.set(keyOf(identity), ended);
      await writeRecord(command.directory, identity);
      return identity;
    },

    async find(directory, marker, jail) {
      const recorded = await readRecord(directory);
      if (recorded !== undefined) {
        return { state: (await isAlive(recorded)) ? "running" : "gone", identity: recorded };
      }
      const found = await scan(directory, marker, jail);
      if (found === undefined) return { state: "never-started" };
      await writeRecord(directory, found);
      return { state: "running", identity: found };
    },

    async terminate(identity, graceMs, signal) {
      if (graceMs > 0) {
        if (!(await isAlive(identity))) return;
        sendSignal(identity.pid, "SIGTERM");
        if (await endsWithin(identity, graceMs, signal)) return;
      }
      if (!(await isAlive(identity))) return;
      sendSignal(identity.pid, "SIGKILL");
      if (await endsWithin(identity, KILL_WAIT_MS, signal)) return;
      throw new FlintlockError(
        "provider_failed",
        `the VMM (pid ${identity.pid}) does not end after SIGKILL`,
        {
          hint: "It waits in the kernel, most likely for storage: see its wchan and the kernel log.",
        },
      );
    },

    async exited(identity, signal) {
      signal.throwIfAborted();
      const child = children.get(keyOf(identity));
      if (child !== undefined) return unlessAborted(child.ended, signal);
      while (await isAlive(identity)) await pause(POLL_MS, signal);
    },

    end: (identity) => children.get(keyOf(identity))?.end(),
  };
};

interface Child {
  readonly ended: Promise<void>;
  readonly end: () => ChildEnd | undefined;
}

const keyOf = (identity: VmmIdentity): string => `${identity.bootId}/${identity.pid}/${identity.startTime}`;

/** In a session of its own, with nothing of ours but the log: our end, or a Ctrl-C here, does not reach it. */
const startChild = ({ binary, args, argv0, directory, descriptors, stdio }: VmmCommand): ChildProcess => {
  const open = (name: string): number => openSync(join(directory, name), "a", 0o600);
  const logs = (stdio === undefined ? [VMM_LOG] : [stdio.stdout, stdio.stderr]).map(open);
  const [stdout = "ignore", stderr = stdout] = logs;
  try {
    const child = spawn(binary, args, {
      cwd: directory,
      env: { LC_ALL: "C", PATH: process.env["PATH"] ?? "/usr/bin:/bin" },
      ...(argv0 !== undefined && { argv0 }),
      detached: true,
      stdio: [stdio?.stdin ?? "ignore", stdout, stderr, ...descriptors],
    });
    child.unref();
    return child;
  } finally {
    for (const log of logs) closeSync(log);
  }
};

const watchEnd = (child: ChildProcess): Child => {
  let end: ChildEnd | undefined;
  const ended = new Promise<void>((resolve) => {
    child.once("exit", (code, signal) => {
      end = { code: code ?? undefined, signal: signal ?? undefined };
      resolve();
    });
    child.once("error", () => resolve());
  });
  return { ended, end: () => end };
};

const spawned = async (child: ChildProcess, binary: string): Promise<void> =>
  await new Promise((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (cause) =>
      reject(
        new FlintlockError("provider_failed", `cannot run ${binary}`, {
          hint: "Is it installed, and on the daemon's PATH?",
          cause,
        }),
      ),
    );
  });

/** The ends of VMMs long gone are of no use to anybody. */
const forgetOldest = (children: Map<string, Child>): void => {
  for (const [key, child] of children) {
    if (children.size < MAX_REMEMBERED) return;
    if (child.end() !== undefined) children.delete(key);
  }
};

/**
 * The process of ours that runs in `directory`, or in its jail, and carries `marker`; one VM never has two. Where it is
 * is asked first: a system call for each process of the host, and none is waited for.
 */
const scan = async (
  directory: string,
  marker: string,
  jail: VmmJail | undefined,
): Promise<VmmIdentity | undefined> => {
  // When the directory was removed under a VMM, the kernel still says so in these words.
  const home = await realpath(directory).catch(() => `${directory} (deleted)`);
  const jailRoot = jail === undefined ? undefined : identifySync(jail.root);
  for (const [count, pid] of (await listPids()).entries()) {
    if (count % PIDS_AT_ONCE === PIDS_AT_ONCE - 1) await setImmediate();
    const isAtHome = readCwdSync(pid) === home;
    // In another mount namespace a path says nothing; the directory itself does.
    const isInJail = jailRoot !== undefined && identifySync(`/proc/${pid}/root`) === jailRoot;
    if (!isAtHome && !isInJail) continue;
    if (!(await readCmdline(pid)).some((word) => carries(word, marker))) continue;
    const known = await readStat(pid);
    const euid = await readEuid(pid);
    // A pager or editor may carry the name as well, and be there too. A jailer on its way is still our user.
    const isOurs = euid === process.geteuid?.() || (isInJail && euid === jail?.uid);
    if (known === undefined || !isOurs) continue;
    return { pid, startTime: known.startTime, bootId: await readBootId() };
  }
  return undefined;
};

/** `guest=<marker>`, `<marker>` or `--id=<marker>`: whole, not as a part of a longer name or path. */
const carries = (word: string, marker: string): boolean => word.split(/[=,]/).includes(marker);

const readRecord = async (directory: string): Promise<VmmIdentity | undefined> => {
  const { pid, startTime, bootId } = (await readJson(join(directory, RECORD))) ?? {};
  if (typeof pid !== "number" || !Number.isSafeInteger(pid) || pid <= 1) return undefined;
  if (typeof startTime !== "string" || typeof bootId !== "string") return undefined;
  return { pid, startTime, bootId };
};

const writeRecord = (directory: string, identity: VmmIdentity): Promise<void> =>
  writeJson(join(directory, RECORD), identity);

/** To a process that was just seen to be the right one. Gone is success. */
export const sendSignal = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // ESRCH: it ended between the look and the signal, which is what we want.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
};
