/** flintlockd as a process, for tests of how it starts and ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DAEMON, type Result, runProgram } from "./daemon.ts";

export interface DaemonProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly directory: string;
  readonly socket: string;
  /** What it wrote on standard error so far */
  readonly stderr: () => string;
  /** Resolves with its exit code, or the signal that killed it. */
  readonly exit: Promise<number | string>;
  /** Resolves when `text` is on standard error. */
  says(text: string | RegExp): Promise<void>;
}

export interface DaemonOptions {
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** A program that runs it and becomes it, such as `unshare` */
  readonly prefix?: readonly string[];
  readonly directory?: string;
}

const DEADLINE_MS = 30_000;

/** A simulated daemon; it need not come up. */
export const startProcess = async (options: DaemonOptions = {}): Promise<DaemonProcess> => {
  const { args = [], env = {}, prefix = [] } = options;
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), "flintlockd-")));
  const socket = join(directory, "f.sock");
  const own = [
    "run",
    "--socket",
    socket,
    "--state-dir",
    join(directory, "state"),
    "--default-provider",
    "simulated",
  ];
  const [program = "", ...rest] = [...prefix, process.execPath, DAEMON, ...own, ...args];
  const child = spawn(program, rest, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, HOME: directory, ...env },
  });
  let text = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  const exit = once(child, "close").then(([code, signal]: unknown[]) => (code ?? signal) as number | string);
  return {
    child,
    pid: child.pid ?? 0,
    directory,
    socket,
    stderr: () => text,
    exit,
    says: async (wanted) => {
      const deadline = Date.now() + DEADLINE_MS;
      while (!(typeof wanted === "string" ? text.includes(wanted) : wanted.test(text))) {
        if (child.exitCode !== null || Date.now() > deadline)
          throw new Error(`it never says ${wanted}: ${text}`);
        await sleep(20);
      }
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await exit;
      await rm(directory, { recursive: true, force: true });
    },
  };
};

/** Runs `flintlockd` with `args` to its end. */
export const flintlockd = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Result> =>
  runProgram(process.execPath, [DAEMON, ...args], { env });
