import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  clearGuestStatus,
  clearStatusDisk,
  parseGuestStatus,
  readGuestStatus,
  STATUS_DISK_BYTES,
} from "./guest-status.ts";

const nothing = { isReady: false, exitCode: undefined, error: undefined };

test("a life: init, ready, exit", () => {
  const lines = ['{"event":"init","t":1.52}', '{"event":"ready","t":1.8,"mode":"process","agent":1}'];
  expect(parseGuestStatus(`${lines.join("\n")}\n`)).toEqual({ ...nothing, isReady: true });
  lines.push('{"event":"exit","t":9.1,"code":3}');
  expect(parseGuestStatus(`${lines.join("\n")}\n`)).toEqual({ ...nothing, isReady: true, exitCode: 3 });
});

test("an error carries step and message, fit for a terminal", () => {
  const text = JSON.stringify({
    event: "error",
    step: "root",
    message: `\u001b[2JLABEL=data: ${"x".repeat(400)}`,
  });
  const { error } = parseGuestStatus(text);
  expect(error?.step).toBe("root");
  expect(error?.message).toMatch(/^ \[2JLABEL=data: x+$/);
  expect(error?.message).toHaveLength(300);
});

test("what a guest should not say is passed over", () => {
  const lines = [
    "",
    "null",
    "[]",
    "{",
    '"ready"',
    '{"event":"READY"}',
    '{"event":"exit","code":"3"}',
    '{"event":"exit","code":300}',
  ];
  lines.push(`{"event":"ready","pad":"${"x".repeat(600)}"}`);
  expect(parseGuestStatus(lines.join("\n"))).toEqual(nothing);
});

test("no text makes the parser throw", () => {
  fc.assert(fc.property(fc.string(), (text) => void parseGuestStatus(text)));
  fc.assert(fc.property(fc.json(), (text) => void parseGuestStatus(text)));
});

test("a file is read, cleared, and may be missing", async () => {
  const directory = await mkdtemp(join(tmpdir(), "guest-status-"));
  try {
    expect(await readGuestStatus(directory)).toEqual(nothing);
    await writeFile(join(directory, "status.log"), '{"event":"ready"}\n{"event":"ex');
    expect(await readGuestStatus(directory)).toEqual({ ...nothing, isReady: true });
    await clearGuestStatus(directory);
    expect(await readGuestStatus(directory)).toEqual(nothing);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("a disk: lines, then zeros; what a guest hides behind zeros or instead of lines is passed over", async () => {
  const directory = await mkdtemp(join(tmpdir(), "guest-status-"));
  const write = async (text: string | Buffer, at: number): Promise<void> => {
    await using disk = await open(join(directory, "status.log"), "r+");
    await disk.write(Buffer.from(text as string), 0, undefined, at);
  };
  try {
    await clearStatusDisk(directory);
    expect(await readFile(join(directory, "status.log"))).toEqual(Buffer.alloc(STATUS_DISK_BYTES));
    expect(await readGuestStatus(directory)).toEqual(nothing);
    await write('{"event":"ready"}\n', 0);
    await write('{"event":"exit","code":1}\n', 4096);
    expect(await readGuestStatus(directory)).toEqual({ ...nothing, isReady: true });
    await write(Buffer.alloc(STATUS_DISK_BYTES, "x"), 0);
    expect(await readGuestStatus(directory)).toEqual(nothing);
    const exit = '{"event":"exit","code":3}\n';
    await write(`\n${exit}`, STATUS_DISK_BYTES - exit.length - 1);
    expect(await readGuestStatus(directory)).toEqual({ ...nothing, exitCode: 3 });
    await write(Buffer.from([0xff, 0xfe, 0xc0, 0x80, 10]), 0);
    expect(await readGuestStatus(directory)).toEqual({ ...nothing, exitCode: 3 });
    await clearStatusDisk(directory);
    expect(await readGuestStatus(directory)).toEqual(nothing);
  } finally {
    await rm(directory, { recursive: true });
  }
});
