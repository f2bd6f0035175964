/** The CLI inside a test: the process's streams and signals are the test's. */
import { EventEmitter } from "node:events";
import { PassThrough, Writable } from "node:stream";
import { runCli } from "../cli.ts";
import type { Input, Output } from "../io.ts";

export interface TestCli {
  readonly stdin: PassThrough;
  readonly code: Promise<number>;
  stdout(): Buffer;
  stderr(): string;
  /** `SIGINT` and friends */
  kill(signal: string): void;
  /** Exit codes of an end at once */
  readonly exits: readonly number[];
}

export interface TestOptions {
  readonly address: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Stdin; undefined = it stays open */
  readonly input?: string | Uint8Array;
  readonly stdout?: Output;
  /** Terminal on both ends */
  readonly terminal?: { readonly rows: number; readonly columns: number };
}

export const startTestCli = (argv: readonly string[], options: TestOptions): TestCli => {
  const stdin = new PassThrough();
  if (options.input !== undefined) stdin.end(options.input);
  const stdout = collector();
  const stderr = collector();
  const signals = new EventEmitter();
  const exits: number[] = [];
  const { terminal } = options;
  const output: Output =
    options.stdout ?? Object.assign(stdout.stream, terminal && { isTTY: true, ...terminal });
  const code = runCli({
    argv,
    env: { FLINTLOCK_HOST: options.address, ...options.env },
    stdin: Object.assign(stdin as Input, terminal && { isTTY: true }),
    stdout: output,
    stderr: stderr.stream,
    signals,
    exit: (exitCode) => exits.push(exitCode),
  });
  return {
    stdin,
    code,
    stdout: () => Buffer.concat(stdout.chunks),
    stderr: () => Buffer.concat(stderr.chunks).toString(),
    kill: (signal) => void signals.emit(signal),
    exits,
  };
};

/** To the end. */
export const runTestCli = async (argv: readonly string[], options: TestOptions) => {
  const cli = startTestCli(argv, { input: "", ...options });
  const code = await cli.code;
  return { code, stdout: cli.stdout().toString(), stderr: cli.stderr() };
};

const collector = () => {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  return { chunks, stream };
};
