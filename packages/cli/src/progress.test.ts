import { Writable } from "node:stream";
import pc from "picocolors";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createProgress, type ProgressMode } from "./progress.ts";

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1, 12, 0, 0) });
});
afterEach(() => {
  vi.useRealTimers();
});

const start = (mode: ProgressMode, terminal?: { rows: number; columns: number }) => {
  let text = "";
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      text += chunk;
      done();
    },
  });
  const output = Object.assign(stream, terminal && { isTTY: true, ...terminal });
  const progress = createProgress({ mode, stream: output, palette: pc.createColors(false) });
  return {
    progress,
    take: () => {
      const taken = text;
      text = "";
      return taken;
    },
  };
};

test.each(["auto", "tty", "plain", "json", "none"] as const)(
  "nothing is drawn of what ends in time, mode %s",
  (mode) => {
    const { progress, take } = start(mode, { rows: 24, columns: 80 });
    progress.update("a", { stage: "download" });
    vi.advanceTimersByTime(150);
    progress.end("pulled a");
    vi.advanceTimersByTime(1000);
    expect(take()).toBe("");
  },
);

test("on a terminal lines are redrawn in place and collapse into one", () => {
  const { progress, take } = start("auto", { rows: 24, columns: 100 });
  progress.update("0123456789ab", {
    stage: "download",
    doneBytes: 5 * 1024 ** 2,
    totalBytes: 10 * 1024 ** 2,
  });
  progress.update("ba9876543210", { stage: "verify" });
  vi.advanceTimersByTime(300);
  const first = take();
  expect(first).toContain("0123456789ab   download ████████████░░░░░░░░░░░░ 5.0 MiB / 10.0 MiB");
  expect(first).toContain("ba9876543210   verify");
  progress.update("ba9876543210", { stage: "done" });
  vi.advanceTimersByTime(100);
  const second = take();
  expect(second.startsWith("\x1b[2A\r\x1b[J0123456789ab")).toBe(true);
  expect(second.endsWith("ba9876543210   done\n")).toBe(true);
  progress.end("pulled alpine:3");
  expect(take()).toBe("\x1b[2A\r\x1b[Jpulled alpine:3\n");
  vi.advanceTimersByTime(1000);
  expect(take()).toBe("");
});

test("no line is wider than the terminal, no block higher", () => {
  const { progress, take } = start("tty", { rows: 5, columns: 40 });
  for (let index = 0; index < 9; index += 1) {
    progress.update(`layer-${index}`, {
      stage: index < 7 ? "done" : "download",
      doneBytes: 1,
      totalBytes: 9,
    });
  }
  vi.advanceTimersByTime(200);
  const lines = take().trimEnd().split("\n");
  expect(lines).toHaveLength(3);
  expect(lines[0]).toMatch(/^layer-7 /);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(40);
});

test("elsewhere each change of stage is a line with the time", () => {
  const { progress, take } = start("auto");
  progress.update("0123", { stage: "download", totalBytes: 2048 });
  progress.update("0123", { stage: "download", doneBytes: 9, totalBytes: 2048 });
  expect(take()).toBe("");
  vi.advanceTimersByTime(250);
  expect(take()).toBe("12:00:00 0123: download (2.0 KiB)\n");
  progress.update("0123", { stage: "done" });
  progress.end("pulled x");
  expect(take()).toBe("12:00:00 0123: done\n12:00:00 pulled x\n");
});

test("json is an object a line, not more than ten a second for each item", () => {
  const { progress, take } = start("json");
  vi.advanceTimersByTime(300);
  for (let index = 0; index < 50; index += 1)
    progress.update("0123", { stage: "download", doneBytes: index });
  vi.advanceTimersByTime(100);
  progress.update("0123", { stage: "download", doneBytes: 50, totalBytes: 100 });
  progress.end();
  expect(
    take()
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { id: "0123", stage: "download", done: 0, total: 0, ms: 300 },
    { id: "0123", stage: "download", done: 50, total: 100, ms: 400 },
  ]);
});
