import { expect, test } from "vitest";
import { type LogInput, parseLogs } from "./log-rules.ts";
import { unixMs } from "./units.ts";

const NOW = unixMs(Date.parse("2026-11-25T10:00:00Z"));
const input: LogInput = { source: "", follow: false, tail: 0, since: "" };
const since = (text: string) => parseLogs({ ...input, since: text }, NOW).since;

test("since is a duration before now, a time, or nothing", () => {
  expect(since("")).toBeUndefined();
  expect(since("90s")).toBe(NOW - 90_000);
  expect(since("1h30m")).toBe(NOW - 5_400_000);
  expect(since("0s")).toBe(NOW);
  expect(since("2026-11-25T11:00:00.5+02:00")).toBe(NOW - 3_599_500);
});

test.each(["10", "m", "-5m", "yesterday", "2026-11-25", "2026-13-25T00:00:00Z", `${"1s".repeat(21)}`])(
  "since %j is refused by name",
  (text) => {
    expect(() => since(text)).toThrow(
      expect.objectContaining({ code: "invalid_spec", detail: { field: "since" } }),
    );
  },
);

test("a source is one of four, all of them, or the console", () => {
  const sources = (source: string) => parseLogs({ ...input, source }, NOW).sources;
  expect(sources("")).toEqual(["console"]);
  expect(sources("agent")).toEqual(["agent"]);
  expect(sources("all")).toEqual(["console", "vmm", "init", "agent"]);
  expect(() => sources("kernel")).toThrow(expect.objectContaining({ code: "invalid_spec" }));
});
