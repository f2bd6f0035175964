import { expect, test } from "vitest";
import { formatAge, formatBytes, formatDuration, parseBytes, parseDurationMs, parseMib } from "./units.ts";

const usage = expect.objectContaining({ code: "usage" });

test.each([
  ["512M", 512],
  ["2G", 2048],
  ["1.5g", 1536],
  ["512", 512],
  ["1GiB", 1024],
  ["256MB", 256],
  ["1T", 1048576],
  ["2048K", 2],
])("size %s is %d MiB", (text, mib) => {
  expect(parseMib("--memory", text)).toBe(mib);
});

test.each(["", "0", "-1", "1.3M", "x", "1P", "512K", "99999T", "1e3", "Infinity"])(
  "size %j is refused",
  (text) => {
    expect(() => parseMib("--memory", text)).toThrow(usage);
  },
);

test.each([
  ["4096", 4096],
  ["20M", 20 * 1024 ** 2],
  ["1.5k", 1536],
  ["1GiB", 1024 ** 3],
])("rate %s is %d bytes", (text, bytes) => {
  expect(parseBytes("--disk-bps", text)).toBe(bytes);
});

test.each(["", "0", "-1", "x", "1P", "1e3", "99999999999999"])("rate %j is refused", (text) => {
  expect(() => parseBytes("--disk-bps", text)).toThrow(usage);
});

test.each([
  ["30", 30_000],
  ["500ms", 500],
  ["1.5s", 1500],
  ["1h30m", 5_400_000],
])("duration %s is %d ms", (text, ms) => {
  expect(parseDurationMs("--timeout", text)).toBe(ms);
});

test.each(["", "0", "x", "1x", "5 m", "1m30", "100d", "-1s"])("duration %j is refused", (text) => {
  expect(() => parseDurationMs("--timeout", text)).toThrow(usage);
});

test("numbers read as people write them", () => {
  expect([0, 1023, 1536, 200 * 1024 ** 2, 5 * 1024 ** 4].map(formatBytes)).toEqual([
    "0 B",
    "1023 B",
    "1.5 KiB",
    "200 MiB",
    "5.0 TiB",
  ]);
  expect([850, 2400, 185_000].map(formatDuration)).toEqual(["850ms", "2.4s", "3m05s"]);
  expect([-5, 59_000, 3_599_000, 86_399_000, 200_000_000].map(formatAge)).toEqual([
    "0s",
    "59s",
    "59m",
    "23h",
    "2d",
  ]);
});
