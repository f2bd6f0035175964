import { expect, test } from "vitest";
import {
  encodeLogTimes,
  type LogTimes,
  NO_LOG_TIMES,
  noteCut,
  noteSize,
  parseLogTimes,
  positionAt,
} from "./log-times.ts";
import { unixMs } from "./units.ts";

const at = unixMs;
const noted = (...looks: readonly (readonly [number, number])[]): LogTimes =>
  looks.reduce((times, [time, size]) => noteSize(times, size, at(time)), NO_LOG_TIMES);

test("a time finds the first byte that came after it", () => {
  const times = noted([1000, 10], [2000, 10], [5000, 30]);
  expect(times.marks).toEqual([
    { at: 1000, end: 10 },
    { at: 5000, end: 30 },
  ]);
  expect([0, 1000, 1001, 5000, 5001].map((since) => positionAt(times, at(since)))).toEqual([
    0, 0, 10, 10, 30,
  ]);
});

test("a look that finds nothing new changes nothing", () => {
  const times = noted([1000, 10]);
  expect(noteSize(times, 10, at(1000))).toBe(times);
  expect(noteSize(times, 20, at(1000))).toBe(times);
});

test("positions stay what they are when the file is cut", () => {
  const times = noteCut(noted([1000, 10], [2000, 50], [3000, 90]), 60);
  expect(times).toEqual({
    dropped: 60,
    renewals: 0,
    isBeingCut: false,
    marks: [
      { at: 2000, end: 50 },
      { at: 3000, end: 90 },
    ],
  });
  expect([0, 2500, 9000].map((since) => positionAt(times, at(since)))).toEqual([60, 60, 90]);
  expect(noteSize(times, 40, at(4000)).marks.at(-1)).toEqual({ at: 4000, end: 100 });
});

test("a file that is smaller than it was has begun anew, behind what was", () => {
  expect(noted([1000, 100], [2000, 5])).toMatchObject({
    dropped: 100,
    renewals: 1,
    marks: [{}, { at: 2000, end: 105 }],
  });
  const died: LogTimes = { ...noted([1000, 100]), isBeingCut: true };
  expect(noteSize(died, 30, at(2000))).toMatchObject({
    dropped: 100,
    renewals: 1,
    isBeingCut: false,
  });
});

test("ten thousand looks leave a bounded number of marks, which still find their way", () => {
  const times = noted(
    ...Array.from({ length: 10_000 }, (_, index) => [index + 1, (index + 1) * 10] as const),
  );
  expect(times.marks.length).toBeLessThanOrEqual(512);
  expect(times.marks.at(-1)).toEqual({ at: 10_000, end: 100_000 });
  expect(positionAt(times, at(9990))).toBe(99_890);
});

test("what is written is read, and anything else is nothing", () => {
  const times = noted([1000, 10], [2000, 50]);
  expect(parseLogTimes(encodeLogTimes(times))).toEqual(times);
  for (const text of [
    "",
    "null",
    "[]",
    '{"dropped":-1,"renewals":0,"isBeingCut":false,"marks":[]}',
    '{"dropped":0}',
  ])
    expect(parseLogTimes(text)).toBeUndefined();
  expect(parseLogTimes('{"dropped":0,"renewals":0,"isBeingCut":false,"marks":[[1]]}')).toBeUndefined();
});
