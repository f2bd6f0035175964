import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { watchFile } from "./file-changes.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "file-changes-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const signal = new AbortController().signal;
const msOf = async (work: () => Promise<void>): Promise<number> => {
  const started = performance.now();
  await work();
  return performance.now() - started;
};

test("a write wakes the waiter, also one before it waited, and one that makes the file", async () => {
  using changes = watchFile(directory, "a");
  const waiting = msOf(() => changes.next(5000, signal));
  await appendFile(join(directory, "a"), "x");
  expect(await waiting).toBeLessThan(2000);
  await appendFile(join(directory, "a"), "y");
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await msOf(() => changes.next(5000, signal))).toBeLessThan(2000);
});

test("other files do not, and time does", async () => {
  using changes = watchFile(directory, "a");
  await appendFile(join(directory, "b"), "x");
  expect(await msOf(() => changes.next(100, signal))).toBeGreaterThan(90);
});

test("an abort ends the wait with its reason", async () => {
  using changes = watchFile(directory, "a");
  const control = new AbortController();
  const waiting = changes.next(5000, control.signal);
  control.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
});
