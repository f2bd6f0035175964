import fc from "fast-check";
import { expect, test } from "vitest";
import {
  ageMs,
  listPids,
  parseStat,
  readBootId,
  readCmdline,
  readEuid,
  readStat,
  readStatSync,
} from "./proc.ts";

const line = (comm: string) =>
  `4242 (${comm}) S 1 4242 4242 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 100 2 18446744073709551615`;

test("a stat line gives pid, state, parent and start time", () => {
  expect(parseStat(line("qemu-system-x86"))).toEqual({
    pid: 4242,
    comm: "qemu-system-x86",
    state: "S",
    parent: 1,
    startTime: "987654",
  });
});

test("a command with parentheses, spaces and forged fields does not shift the others", () => {
  const comm = "a) R 99 (b c) Z";
  expect(parseStat(line(comm))).toMatchObject({ comm, state: "S", parent: 1, startTime: "987654" });
});

test("no text makes the parser throw or yield a bad number", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const stat = parseStat(text);
      expect(stat === undefined || Number.isSafeInteger(stat.pid)).toBe(true);
    }),
  );
});

test("our own process can be read", async () => {
  const stat = await readStat(process.pid);
  expect(stat?.pid).toBe(process.pid);
  expect(stat?.parent).toBe(process.ppid);
  expect(readStatSync(process.pid)?.startTime).toBe(stat?.startTime);
  expect((await readCmdline(process.pid))[0]).toContain("node");
  expect(await readEuid(process.pid)).toBe(process.geteuid?.());
  expect(await listPids()).toContain(process.pid);
  expect(await readBootId()).toMatch(/^[0-9a-f-]{36}$/);
  const age = await ageMs(stat?.startTime ?? "");
  expect(Math.abs(age - process.uptime() * 1000)).toBeLessThan(5000);
});

test("a process that is not there reads as absent", async () => {
  const pid = 4194304; // One above the largest pid Linux hands out
  expect(await readStat(pid)).toBeUndefined();
  expect(await readCmdline(pid)).toEqual([]);
  expect(await readEuid(pid)).toBeUndefined();
});
