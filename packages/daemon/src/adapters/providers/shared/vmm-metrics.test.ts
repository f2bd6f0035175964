import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readBootId, readStat } from "./proc.ts";
import { parseTimes, threadCpuMs, vmmMetrics } from "./vmm-metrics.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "vmm-metrics-"));
});
afterEach(async () => await rm(directory, { recursive: true }));

const ourselves = async () => ({
  pid: process.pid,
  startTime: (await readStat(process.pid))?.startTime ?? "",
  bootId: await readBootId(),
});

test("a process is measured: time, memory, threads, files, and what its directory takes", async () => {
  await writeFile(join(directory, "disk"), Buffer.alloc(64 * 1024, 1));
  const metrics = await vmmMetrics(await ourselves(), directory);
  const values = new Map(metrics.map(({ key, value }) => [key, value]));
  const usage = process.cpuUsage();
  expect(values.get("cpu_milliseconds")).toBeLessThanOrEqual((usage.user + usage.system) / 1000 + 10);
  expect(values.get("resident_bytes")).toBeGreaterThan(10 * 1024 * 1024);
  expect(values.get("threads")).toBeGreaterThan(1);
  expect(values.get("open_fds")).toBeGreaterThan(2);
  expect(values.get("disk_bytes")).toBeGreaterThanOrEqual(64 * 1024);
});

test("of a process that is gone, or whose pid is another's by now, nothing is told", async () => {
  const identity = await ourselves();
  expect(await vmmMetrics({ ...identity, startTime: "1" }, directory)).toEqual([]);
  expect(await vmmMetrics({ ...identity, pid: 2 ** 30 }, directory)).toEqual([]);
});

test("a thread is measured when it is the process's", async () => {
  expect(await threadCpuMs(process.pid, process.pid)).toBeGreaterThanOrEqual(0);
  expect(await threadCpuMs(process.pid, 1)).toBeUndefined();
  expect(await threadCpuMs(process.pid, Number.MAX_SAFE_INTEGER)).toBeUndefined();
});

test("times are read behind any name of the command, and from nothing else", () => {
  const fields = "S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 3 0 98765 1000 200";
  expect(parseTimes(`42 (a) (b c) ${fields}`)).toEqual({ ticks: 300, startTime: "98765" });
  for (const text of ["", "42", "42 (x) S", `42 (x) ${fields.replace("250", "-1")}`]) {
    expect(parseTimes(text)).toBeUndefined();
  }
  fc.assert(fc.property(fc.string(), (text) => void parseTimes(text)));
});
