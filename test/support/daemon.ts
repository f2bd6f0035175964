/** A real flintlockd, from the bundle, on a state directory of the test's own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export const ROOT = resolve(import.meta.dirname, "../..");
export const DAEMON = join(ROOT, "packages/daemon/bin/flintlockd.js");
export const CLI = join(ROOT, "packages/cli/bin/flintlock.js");
/** Two seconds where a processor is real; in an emulated host it is a minute */
const START_MS = 180_000;

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class TestDaemon implements AsyncDisposable {
  readonly directory: string;
  readonly stateDir: string;
  readonly socket: string;
  readonly #args: readonly string[];
  readonly #prefix: readonly string[];
  #child: ChildProcess | undefined;
  #log = "";

  private constructor(directory: string, args: readonly string[], prefix: readonly string[]) {
    this.directory = directory;
    this.stateDir = join(directory, "state");
    this.socket = join(directory, "run/flintlockd.sock");
    this.#args = args;
    this.#prefix = prefix;
  }

  /** `prefix`: a program that runs it, such as `ip netns exec NAME`; it must become the daemon, not its parent. */
  static async start(args: readonly string[] = [], prefix: readonly string[] = []): Promise<TestDaemon> {
    const daemon = new TestDaemon(await mkdtemp(join(tmpdir(), "flintlock-e2e-")), args, prefix);
    await daemon.start();
    return daemon;
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error("the daemon does not run");
    return this.#child.pid;
  }

  get log(): string {
    return this.#log;
  }

  async start(): Promise<void> {
    const args = [
      "run",
      "--socket",
      this.socket,
      "--state-dir",
      this.stateDir,
      "--log-format",
      "json",
      "--log-level",
      "debug",
      ...this.#args,
    ];
    const [program = "", ...rest] = [...this.#prefix, process.execPath, DAEMON, ...args];
    const child = spawn(program, rest, { stdio: ["ignore", "ignore", "pipe"] });
    child.stderr.on("data", (chunk: Buffer) => {
      this.#log = (this.#log + chunk.toString()).slice(-200_000);
    });
    this.#child = child;
    const deadline = Date.now() + START_MS;
    while (!(await answers(this.socket))) {
      if (child.exitCode !== null || Date.now() > deadline)
        throw new Error(`flintlockd does not start: ${this.#log}`);
      await sleep(20);
    }
  }

  async kill(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    child.kill(signal);
    await once(child, "exit");
  }

  /** Runs the CLI against this daemon. */
  async flintlock(
    args: readonly string[],
    options: { readonly stdin?: string | Buffer } = {},
  ): Promise<Result> {
    return runProgram(process.execPath, [CLI, "-H", `unix://${this.socket}`, ...args], options);
  }

  /** Deletes every VM, stops the daemon, removes its directory. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child === undefined) await this.start();
    await this.flintlock(["rm", "--all", "--yes", "--force", "--ignore-missing"]);
    await this.kill("SIGTERM");
    await rm(this.directory, { recursive: true, force: true });
  }
}

export const runProgram = async (
  file: string,
  args: readonly string[],
  options: { readonly stdin?: string | Buffer; readonly env?: NodeJS.ProcessEnv; readonly cwd?: string } = {},
): Promise<Result> => {
  const child = spawn(file, [...args], {
    stdio: [options.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  // The program may end without reading all of it.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(options.stdin);
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
  await once(child, "close");
  return {
    code: child.exitCode,
    stdout: Buffer.concat(stdout).toString(),
    stderr: Buffer.concat(stderr).toString(),
  };
};

const answers = (path: string): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      done(true);
    });
    socket.once("error", () => done(false));
  });

/** Processes whose command line mentions `text`: VMMs carry their VM's uid. */
export const processesNaming = async (text: string): Promise<readonly number[]> => {
  const found: number[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const cmdline = await readFile(`/proc/${name}/cmdline`, "latin1").catch(() => "");
    if (cmdline.includes(text)) found.push(Number(name));
  }
  return found;
};
