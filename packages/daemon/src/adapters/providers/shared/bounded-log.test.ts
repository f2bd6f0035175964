import { appendFile, mkdtemp, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { boundLog, readTail } from "./bounded-log.ts";

const bounds = { maxBytes: 100, keepBytes: 20 };
let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "bounded-log-"));
  path = join(directory, "console.log");
});
afterEach(async () => await rm(directory, { recursive: true }));

test("a file within its bound, or missing, is left alone", async () => {
  expect(await boundLog(path, bounds)).toBeUndefined();
  await writeFile(path, "x".repeat(100));
  expect(await boundLog(path, bounds)).toBeUndefined();
  expect((await stat(path)).size).toBe(100);
});

test("a larger file keeps its last whole lines, and its appending writer goes on after them", async () => {
  const writer = await open(path, "a");
  for (let n = 10; n < 40; n++) await writer.write(`line ${n}\n`);
  expect(await boundLog(path, bounds)).toBe(28 * 8);
  expect(await readFile(path, "utf8")).toBe("line 38\nline 39\n");
  await writer.write("line 40\n");
  await writer.close();
  expect(await readFile(path, "utf8")).toBe("line 38\nline 39\nline 40\n");
});

test("the tail is bounded, starts with a line, and can skip what an earlier run wrote", async () => {
  expect(await readTail(path, 10)).toBe("");
  await writeFile(path, "one\ntwo\nthree\n");
  expect(await readTail(path, 1000)).toBe("one\ntwo\nthree\n");
  expect(await readTail(path, 8)).toBe("three\n");
  expect(await readTail(path, 1000, 8)).toBe("three\n");
  await appendFile(path, "four\n");
  expect(await readTail(path, 1000, 8)).toBe("three\nfour\n");
});

test("a writer with an offset of its own goes on where it was, behind a hole", async () => {
  const large = { maxBytes: 64 * 1024, keepBytes: 20, hasOffset: true };
  const writer = await open(path, "w");
  for (let n = 10_000; n < 20_000; n++) await writer.write(`line ${n}\n`);
  const { size } = await stat(path);
  expect(await boundLog(path, large)).toBe(0);
  expect((await stat(path)).size).toBe(size);
  expect((await stat(path)).blocks * 512).toBeLessThan(large.maxBytes);
  await writer.write("line 20000\n");
  await writer.close();
  expect((await readFile(path, "utf8")).replaceAll("\0", "")).toBe("line 19999\nline 20000\n");
  expect(await boundLog(path, large)).toBeUndefined();
  expect(await readTail(path, 15)).toBe("line 20000\n");
});
