import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findDaemonProgram, startDaemon } from "./daemon-start.ts";

let root: string;
const pids: number[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "start-"));
});
afterEach(async () => {
  for (const pid of pids.splice(0)) process.kill(pid);
  await rm(root, { recursive: true });
});

/** `flintlockd run --socket PATH`, with the daemon's one rule: whoever comes second, dies. */
const program = async (body: string) => {
  const file = join(root, "flintlockd.mjs");
  await writeFile(file, body);
  return { file: process.execPath, args: [file] };
};

const SERVES = `
import { createServer } from "node:net";
import { mkdirSync } from "node:fs";
const [verb, flag, socket] = process.argv.slice(2);
if (verb !== "run" || flag !== "--socket") process.exit(2);
try { mkdirSync(socket + ".lock"); } catch { console.error("another flintlockd has the state"); process.exit(1); }
// Long enough for the other of two to have come and gone, on a busy machine too
setTimeout(() => createServer().listen(socket), 1500);
`;

const signal = new AbortController().signal;

test("a daemon is started, logs beside its socket, and its directory is its owner's alone", async () => {
  const socket = join(root, "run/f.sock");
  const { pid } = await startDaemon(socket, await program(SERVES), signal);
  expect(pid).toBeGreaterThan(0);
  pids.push(pid ?? 0);
  expect((await stat(join(root, "run"))).mode & 0o777).toBe(0o700);
  expect((await stat(join(root, "run/flintlockd.log"))).mode & 0o777).toBe(0o600);
});

test("two that start one at once end with one, and only its starter says so", async () => {
  const socket = join(root, "f.sock");
  const daemon = await program(SERVES);
  const started = await Promise.all([
    startDaemon(socket, daemon, signal),
    startDaemon(socket, daemon, signal),
  ]);
  const alive = started.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  pids.push(...alive);
  expect(alive).toHaveLength(1);
});

test("a daemon that dies leaves its last words in the error, not those of an earlier one", async () => {
  const socket = join(root, "f.sock");
  await writeFile(join(root, "flintlockd.log"), "an old story\n");
  const daemon = await program(`console.error("no such state directory"); process.exit(3);`);
  await expect(startDaemon(socket, daemon, signal)).rejects.toMatchObject({
    code: "unavailable",
    message: "flintlockd ended at once with code 3",
    why: "no such state directory",
  });
  expect(await readFile(join(root, "flintlockd.log"), "utf8")).toContain("an old story");
});

test("a program that is not there is named", async () => {
  await expect(
    startDaemon(join(root, "f.sock"), { file: join(root, "none"), args: [] }, signal),
  ).rejects.toThrow("cannot be started");
});

test("the daemon of this checkout is found", async () => {
  const { args } = await findDaemonProgram({});
  expect(args[0]).toMatch(/packages\/daemon\/bin\/flintlockd\.js$/);
});
