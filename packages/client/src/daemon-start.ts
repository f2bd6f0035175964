/**
 * Starts this user's daemon when none answers. Two programs may do so at once: the daemon refuses to share its
 * state directory, so one of the two dies, and both programs find the survivor at the socket.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { access, mkdir, open, stat } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ClientError } from "./client-error.ts";
import { probeSocket } from "./socket-probe.ts";

export interface DaemonProgram {
  readonly file: string;
  readonly args: readonly string[];
}

export interface StartedDaemon {
  /** Undefined when another program's daemon answered */
  readonly pid: number | undefined;
}

const START_DEADLINE_MS = 15_000;
/** How long after our daemon's death somebody else's may still appear */
const RIVAL_GRACE_MS = 2_000;
const POLL_MS = 25;
const LOG_TAIL_BYTES = 4096;
const LOG_TAIL_LINES = 8;

/** @throws ClientError `unavailable` – it does not start; the text has its last words */
export const startDaemon = async (
  socketPath: string,
  program: DaemonProgram,
  signal: AbortSignal,
): Promise<StartedDaemon> => {
  const directory = dirname(socketPath);
  await mkdir(directory, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw startFailure(`cannot make ${directory}`, error instanceof Error ? error.message : undefined);
  });
  const logPath = join(directory, "flintlockd.log");
  const log = await open(logPath, "a", 0o600);
  const { size: logStart } = await log.stat();
  const child = spawn(program.file, [...program.args, "run", "--socket", socketPath], {
    detached: true,
    stdio: ["ignore", log.fd, log.fd],
    cwd: "/",
  });
  const death = deathOf(child);
  child.unref();
  await log.close();

  const deadline = Date.now() + START_DEADLINE_MS;
  while (Date.now() < deadline) {
    signal.throwIfAborted();
    if ((await probeSocket(socketPath)) === "answers")
      return { pid: death.atMs === undefined ? child.pid : undefined };
    if (death.atMs !== undefined && Date.now() - death.atMs > RIVAL_GRACE_MS) break;
    await sleep(POLL_MS);
  }
  const problem =
    death.atMs === undefined ? `did not answer within ${START_DEADLINE_MS / 1000} s` : death.reason;
  throw startFailure(`flintlockd ${problem}`, await lastLines(logPath, logStart), `read ${logPath}`);
};

const deathOf = (child: ChildProcess): { atMs: number | undefined; reason: string } => {
  const death: { atMs: number | undefined; reason: string } = { atMs: undefined, reason: "" };
  child.once("error", (error) => {
    death.atMs = Date.now();
    death.reason = `cannot be started: ${error.message}`;
  });
  child.once("exit", (code, signalName) => {
    death.atMs = Date.now();
    death.reason = `ended at once with ${signalName ?? `code ${code}`}`;
  });
  return death;
};

const startFailure = (message: string, why?: string, hint?: string): ClientError =>
  new ClientError("unavailable", message, { why, hint });

/** What our daemon wrote: the log's end, from where it began. */
const lastLines = async (path: string, from: number): Promise<string | undefined> => {
  const { size } = await stat(path);
  const start = Math.max(from, size - LOG_TAIL_BYTES);
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(LOG_TAIL_BYTES), 0, LOG_TAIL_BYTES, start);
    const text = buffer.subarray(0, bytesRead).toString("utf8").trimEnd();
    return text === "" ? undefined : text.split("\n").slice(-LOG_TAIL_LINES).join("\n");
  } finally {
    await file.close();
  }
};

/** The daemon of this same checkout or installation, else the one on PATH. @throws ClientError `unavailable` */
export const findDaemonProgram = async (
  env: Readonly<Record<string, string | undefined>>,
): Promise<DaemonProgram> => {
  const packageRoot = dirname(dirname(fileURLToPath(import.meta.url)));
  const beside = join(dirname(packageRoot), "daemon/bin/flintlockd.js");
  if (await exists(beside)) return { file: process.execPath, args: [beside] };
  for (const directory of (env["PATH"] ?? "").split(delimiter)) {
    const file = join(directory, "flintlockd");
    if (directory.startsWith("/") && (await exists(file))) return { file, args: [] };
  }
  throw startFailure("no daemon runs, and flintlockd was not found", undefined, "flintlock -H HOST:PORT …");
};

const exists = async (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
