/** A program on a terminal of its own, as a person has it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CLI, ROOT } from "./daemon.ts";

const PYTHON_PROGRAM = join(ROOT, "test/support/terminal.py");
const LIMIT_MS = 60_000;

export class Terminal implements AsyncDisposable {
  readonly #child: ChildProcess;
  #shown = "";

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on("data", (chunk: Buffer) => {
      this.#shown += chunk.toString("latin1");
    });
  }

  /** The CLI with `args`, on a terminal of this size. */
  static flintlock(rows: number, columns: number, args: readonly string[]): Terminal {
    const command = [PYTHON_PROGRAM, `${rows}x${columns}`, process.execPath, CLI, ...args];
    return new Terminal(spawn("python3", command, { stdio: ["pipe", "pipe", "inherit"] }));
  }

  type(text: string): void {
    this.#order({ type: text });
  }

  resize(rows: number, columns: number): void {
    this.#order({ size: [rows, columns] });
  }

  /** Waits until `wanted` is shown, and forgets all up to there. @throws Error – what was shown instead */
  async shows(wanted: RegExp): Promise<void> {
    const end = Date.now() + LIMIT_MS;
    for (;;) {
      const found = wanted.exec(this.#shown);
      if (found !== null) {
        this.#shown = this.#shown.slice(found.index + found[0].length);
        return;
      }
      if (Date.now() > end) throw new Error(`${wanted} is not among ${JSON.stringify(this.#shown)}`);
      await sleep(20);
    }
  }

  /** Waits for the program's end. */
  async exitCode(): Promise<number | null> {
    if (this.#child.exitCode === null) await once(this.#child, "close");
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "close");
  }

  #order(order: object): void {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
  }
}
