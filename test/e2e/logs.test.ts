/** What a guest and its VMM leave to read: sources, how much of it, and since when. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Result, TestDaemon } from "../support/daemon.ts";

let daemon: TestDaemon;
let directory: string;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  const script = "while :; do sleep 1000; done";
  const made = ok(await daemon.flintlock(["run", "-d", "-n", "talker", "--", "sh", "-c", script]));
  directory = join(daemon.stateDir, "vm/default/talker", made.trim());
});
afterAll(() => daemon[Symbol.asyncDispose]());

const ok = (result: Result): string => {
  expect(result.code, result.stderr).toBe(0);
  return result.stdout;
};
const logs = async (...flags: readonly string[]): Promise<string> =>
  ok(await daemon.flintlock(["logs", "talker", ...flags]));
const say = async (words: string): Promise<void> =>
  void ok(await daemon.flintlock(["exec", "talker", "--", "sh", "-c", `echo ${words} > /dev/console`]));

/** When the last bytes came, once the daemon has noted all of them. */
const notedAt = async (): Promise<number> => {
  const path = join(directory, "console.log");
  let last: readonly [number, number] = [0, 0];
  const noteOfAll = async (): Promise<boolean> => {
    const { marks } = JSON.parse(await readFile(`${path}.times`, "utf8"));
    last = marks.at(-1);
    return last[1] === (await stat(path)).size;
  };
  await expect.poll(noteOfAll, { timeout: 10_000 }).toBe(true);
  return last[0];
};

test("each source is asked for by its name, and all of them tell whose line it is", async () => {
  await say("hello");
  await expect.poll(() => logs()).toContain("hello\r\n");
  expect(await logs("--source", "init")).toContain('"event":"ready"');
  expect(await logs("--source", "agent")).toContain("serves the virtio-serial port");
  expect(await logs("--source", "agent")).not.toContain('"event":"ready"');
  const all = (await logs("--source", "all")).split("\n");
  expect(all).toContain("console | hello\r");
  expect(all).toContainEqual(expect.stringMatching(/^init {4}\| .*"event":"ready"/));
  expect(all).toContainEqual(expect.stringMatching(/^agent {3}\| /));
  const unknown = await daemon.flintlock(["logs", "talker", "--source", "kernel"]);
  expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining("--source")]);
});

test("since leaves out what came before, a daemon that is killed in between or not", async () => {
  await say("before");
  await expect.poll(async () => (await logs("--tail", "1")).includes("before")).toBe(true);
  const at = await notedAt();
  await expect.poll(() => Date.now() - at, { timeout: 10_000 }).toBeGreaterThan(1500);
  const moment = new Date().toISOString();
  await daemon.kill("SIGKILL");
  await daemon.start();
  await say("after");
  await expect.poll(() => logs("--since", moment)).toContain("after\r\n");
  expect(await logs("--since", moment)).not.toContain("before");
  expect(await logs("--since", "10m")).toContain("before");
  expect(await logs("--since", "10m", "--tail", "1")).toBe("after\r\n");
  const refused = await daemon.flintlock(["logs", "talker", "--since", "yesterday"]);
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("since")]);
});

test("a follower goes on until the guest ends", async () => {
  const following = logs("--follow", "--since", "1h");
  await say("the last");
  ok(await daemon.flintlock(["stop", "talker"]));
  expect(await following).toContain("the last\r\n");
});
