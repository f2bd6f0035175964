/**
 * When the bytes of a log came, of which only the last are kept. Whoever cuts the log writes this beside it; whoever reads
 * it counts positions in bytes that were ever written, which no cut moves.
 */
import { type UnixMs, unixMs } from "./units.ts";

export interface LogTimes {
  /** Bytes that are gone from the file's beginning: its first byte has this position */
  readonly dropped: number;
  /** How often the file was begun anew: then all of it comes after what was there before */
  readonly renewals: number;
  /** The file is being cut: its bytes and size mean nothing until it says otherwise */
  readonly isBeingCut: boolean;
  /** Oldest first, each later and further than the one before */
  readonly marks: readonly LogMark[];
}

/** At that time the log ended there. */
export interface LogMark {
  readonly at: UnixMs;
  /** Bytes ever written */
  readonly end: number;
}

export const NO_LOG_TIMES: LogTimes = { dropped: 0, renewals: 0, isBeingCut: false, marks: [] };

/** A mark a second would otherwise fill the disk that the cutting keeps free */
const MAX_MARKS = 512;

/** What the file's look at its size and time of last change adds; the same object when that is nothing. */
export const noteSize = (times: LogTimes, size: number, changedAt: UnixMs): LogTimes => {
  const last = times.marks.at(-1);
  const lastEnd = last?.end ?? 0;
  // Smaller than it was: begun anew, or cut by a daemon that died of it. What is there comes after what was.
  const isNew = times.isBeingCut || times.dropped + size < lastEnd;
  const dropped = isNew ? lastEnd : times.dropped;
  const end = dropped + size;
  const isNews = end > lastEnd && (last === undefined || changedAt > last.at);
  if (!isNews && !isNew) return times;
  const marks = isNews ? thinned([...times.marks, { at: changedAt, end }]) : times.marks;
  return { dropped, renewals: times.renewals + (isNew ? 1 : 0), isBeingCut: false, marks };
};

/** After a cut that took `bytes` from the file's beginning; marks before what is left say nothing any more, but one. */
export const noteCut = ({ dropped, renewals, marks }: LogTimes, bytes: number): LogTimes => {
  const from = dropped + bytes;
  const next = marks.findIndex(({ end }) => end > from);
  const first = next === -1 ? marks.length - 1 : next - 1;
  return { dropped: from, renewals, isBeingCut: false, marks: marks.slice(Math.max(0, first)) };
};

/**
 * Position of the first byte that came at `since` or later, as far as is known: too early by a second or so, and by what
 * came while no daemon looked.
 */
export const positionAt = ({ dropped, marks }: LogTimes, since: UnixMs): number =>
  Math.max(dropped, marks.findLast(({ at }) => at < since)?.end ?? 0);

/** The older half loses every other mark: its times become coarser. */
const thinned = (marks: readonly LogMark[]): readonly LogMark[] =>
  marks.length <= MAX_MARKS ? marks : marks.filter((_, index) => index > MAX_MARKS / 2 || index % 2 === 0);

export const encodeLogTimes = ({ marks, ...times }: LogTimes): string =>
  JSON.stringify({ ...times, marks: marks.map(({ at, end }) => [at, end]) });

/** Undefined for anything but what `encodeLogTimes` made: then no times are known. */
export const parseLogTimes = (text: string): LogTimes | undefined => {
  try {
    const { dropped, renewals, isBeingCut, marks } = JSON.parse(text);
    const hasMarks = Array.isArray(marks) && marks.every(isPair);
    if (!isCount(dropped) || !isCount(renewals) || typeof isBeingCut !== "boolean" || !hasMarks)
      return undefined;
    return { dropped, renewals, isBeingCut, marks: marks.map(([at, end]) => ({ at: unixMs(at), end })) };
  } catch {
    return undefined;
  }
};

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const isPair = (value: unknown): boolean =>
  Array.isArray(value) && value.length === 2 && value.every((one) => isCount(one));
