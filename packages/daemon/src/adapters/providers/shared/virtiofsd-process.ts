/**
 * The processes of virtiofsd. Each is found again by its own name in its command line, which the server that it forks has
 * as well: nothing is recorded, and what a killed parent leaves behind is found too.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { access, type FileHandle, stat } from "node:fs/promises";
import { join } from "node:path";
import { FlintlockError } from "@flintlock/core";
import { pause } from "./deadline.ts";
import { listPids, readBootId, readCmdline, readEuid, readStat } from "./proc.ts";
import type { VmmIdentity } from "./vmm-process.ts";

/** What all of a VM's say; a machine that never had one has no such file */
export const VIRTIOFS_LOG = "virtiofs.log";

/** The socket of the machine's filesystem number `index`, in its directory. */
export const virtiofsSocket = (index: number): string => `virtiofs.${index}.sock`;

const prefixOf = (uid: string): string => `flintlock-${uid}-virtiofs-`;

export interface ServerCommand {
  readonly binary: string;
  readonly args: readonly string[];
  readonly uid: string;
  readonly index: number;
  readonly directory: string;
}

/** In a session of its own, as a VMM: a daemon's end does not reach it. */
export const startServer = ({ binary, args, uid, index, directory }: ServerCommand): ChildProcess => {
  const log = openSync(join(directory, VIRTIOFS_LOG), "a", 0o600);
  try {
    const child = spawn(binary, args, {
      argv0: `${prefixOf(uid)}${index}`,
      cwd: directory,
      env: { LC_ALL: "C", PATH: process.env["PATH"] ?? "/usr/bin:/bin" },
      detached: true,
      stdio: ["ignore", log, log],
    });
    // Told by its having no pid, or by its end.
    child.on("error", () => undefined);
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
};

/** Resolves when it listens on `socket`. @throws Error – it ended */
export const listens = async (server: ChildProcess, socket: string, signal: AbortSignal): Promise<void> =>
  await until(server, signal, () => exists(socket));

/**
 * Resolves when it has nothing for its root but the directory that is open as `shared`: not by its path, which may lead
 * elsewhere by now, but that very one. The program in C enters its sandbox only when its VMM has connected.
 * @throws FlintlockError `permission_denied` – its root is another directory; Error – it ended
 */
export const isConfined = async (
  server: ChildProcess,
  shared: FileHandle,
  signal: AbortSignal,
): Promise<void> => {
  const wanted = identityOf(await shared.stat({ bigint: true }));
  const host = identityOf(await stat("/", { bigint: true }));
  await until(server, signal, async () => {
    const pids = [server.pid ?? 0, ...(await childrenOf(server.pid ?? 0))];
    const roots = await Promise.all(pids.map((pid) => rootOf(pid).catch(() => host)));
    if (roots.includes(wanted)) return true;
    if (roots.every((root) => root === host)) return false;
    throw new FlintlockError(
      "permission_denied",
      "virtiofs: the directory was exchanged while it was shared",
    );
  });
};

const until = async (
  server: ChildProcess,
  signal: AbortSignal,
  isSo: () => Promise<boolean>,
): Promise<void> => {
  for (let wait = 5; ; wait = Math.min(wait * 2, 50)) {
    if (server.pid === undefined || server.exitCode !== null || server.signalCode !== null) {
      throw new Error("it ended at once");
    }
    if (await isSo()) return;
    await pause(wait, signal);
  }
};

const rootOf = async (pid: number): Promise<string> =>
  identityOf(await stat(`/proc/${pid}/root`, { bigint: true }));

/** All processes that serve filesystems of this VM. */
export const serversOf = async (uid: string): Promise<readonly VmmIdentity[]> => {
  const bootId = await readBootId();
  const found: VmmIdentity[] = [];
  for (const pid of await listPids()) {
    const [name = ""] = await readCmdline(pid);
    if (!name.startsWith(prefixOf(uid)) || (await readEuid(pid)) !== process.geteuid?.()) continue;
    const known = await readStat(pid);
    if (known !== undefined) found.push({ pid, startTime: known.startTime, bootId });
  }
  return found;
};

const childrenOf = async (parent: number): Promise<readonly number[]> => {
  const stats = await Promise.all((await listPids()).map(readStat));
  return stats.flatMap((each) => (each?.parent === parent ? [each.pid] : []));
};

const identityOf = ({ dev, ino }: { readonly dev: bigint; readonly ino: bigint }): string => `${dev}/${ino}`;

const exists = async (path: string): Promise<boolean> =>
  await access(path).then(
    () => true,
    () => false,
  );
