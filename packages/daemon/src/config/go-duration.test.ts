import { expect, test } from "vitest";
import { formatGoDuration, parseGoDuration } from "./go-duration.ts";

test.each([
  ["10m", 600_000],
  ["1h30m", 5_400_000],
  ["1.5h", 5_400_000],
  [".5s", 500],
  ["1m30s500ms", 90_500],
  ["250\u00b5s", 0],
  ["1500us", 2],
  ["3000000ns", 3],
  ["600", 600_000],
  ["1.5", 1500],
  ["0", 0],
])("%s is %d ms", (text, ms) => {
  expect(parseGoDuration(text)).toBe(ms);
});

test.each([
  "",
  "m",
  "10 m",
  "-1s",
  "+1s",
  "1d",
  "1h-30m",
  "10min",
  "1e3",
  "Infinity",
  "0x10",
  "1h30",
  `${"1".repeat(80)}s`,
])("'%s' is no duration", (text) => {
  expect(parseGoDuration(text)).toBeUndefined();
});

test("a duration is written as a person would", () => {
  expect([0, 10_000, 90_000, 5_400_500].map(formatGoDuration)).toEqual(["0s", "10s", "1m30s", "1h30m500ms"]);
});
