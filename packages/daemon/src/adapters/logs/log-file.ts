/**
 * One log of a VM, read from where one is to where it ends now. It may be cut or begun anew meanwhile: positions are bytes
 * ever written, as whoever cuts it notes beside it (core, log-times.ts). Of a log whose writer has an offset of its own what
 * stays is behind a hole, which may be as large as all that was ever written.
 */
import { type FileHandle, open, readFile, realpath } from "node:fs/promises";
import { type LogTimes, NO_LOG_TIMES, parseLogTimes, positionAt, type UnixMs, unixMs } from "@flintlock/core";

const CHUNK_BYTES = 64 * 1024;
/** Read at least, from the end: more than any log keeps, also where a file system packs what it stores */
const KEPT_BYTES = 16 * 1024 * 1024;
/** st_blocks, whatever the file system's own block size is: inode(7) */
const BLOCK_BYTES = 512;
/** Looked through for the beginning of a line that was being written at a time */
const MAX_LINE_BYTES = 4096;
/** One that ends before our position is about to be noted as begun anew; or it lost bytes while it was cut */
const MAX_ROUNDS_AHEAD = 20;
const TRIES = 5;

export interface LogBytes {
  readonly at: UnixMs;
  readonly bytes: Uint8Array;
}

export interface LogFile {
  /** Goes to the last `tail` lines, 0 = all, of what came at `since` or later. */
  seek(tail: number, since: UnixMs | undefined): Promise<void>;
  /** What comes from there to the present end; the next call goes on. */
  unread(): AsyncGenerator<LogBytes>;
}

interface Look {
  readonly file: FileHandle;
  readonly times: LogTimes | undefined;
  readonly size: number;
  /** Nothing is before it but a hole. */
  readonly floor: number;
  readonly changedAt: UnixMs;
}

/** `endsAtNul`: a disk of zeros that is written from its beginning. A file that is missing is empty. */
export const createLogFile = (path: string, endsAtNul: boolean): LogFile => {
  let position = 0;
  let renewals = 0;
  let roundsAhead = 0;
  let isInHole = false;

  const timesOf = async (): Promise<LogTimes | undefined> =>
    parseLogTimes(await readFile(`${await realpath(path).catch(() => path)}.times`, "utf8").catch(() => ""));

  /** Does `work` on the file, again when it was cut meanwhile. */
  const stable = async <T>(work: (look: Look) => Promise<T>): Promise<T | undefined> => {
    for (let left = TRIES; left > 0; left--) {
      const times = await timesOf();
      const file = times?.isBeingCut ? undefined : await openIfThere(path);
      if (file === undefined) return undefined;
      try {
        const { size, blocks, mtimeMs } = await file.stat();
        const floor = Math.max(0, size - Math.max(blocks * BLOCK_BYTES, KEPT_BYTES));
        const result = await work({ file, times, size, floor, changedAt: unixMs(Math.floor(mtimeMs)) });
        if (isSameFile(times, await timesOf())) return result;
      } finally {
        await file.close();
      }
    }
    return undefined;
  };

  const offsetOf = ({ times = NO_LOG_TIMES, size, floor }: Look): number => {
    const offset = position - times.dropped;
    const isAhead = offset > size;
    roundsAhead = isAhead ? roundsAhead + 1 : 0;
    if (times.renewals !== renewals || (isAhead && times.marks.length === 0)) return floor;
    return isAhead && roundsAhead > MAX_ROUNDS_AHEAD ? size : Math.max(floor, offset);
  };

  const chunk = async (look: Look): Promise<(LogBytes & { next: number; renewals: number }) | undefined> => {
    const { file, times = NO_LOG_TIMES, floor, changedAt } = look;
    const offset = offsetOf(look);
    const mark = times.marks.find(({ end }) => end > times.dropped + offset);
    const most = Math.min(CHUNK_BYTES, (mark?.end ?? Number.POSITIVE_INFINITY) - times.dropped - offset);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(most), 0, most, offset);
    if (bytesRead === 0) return undefined;
    isInHole ||= offset === floor;
    const bytes = withoutZeros(buffer.subarray(0, bytesRead), endsAtNul, isInHole);
    isInHole &&= bytes.length === 0;
    const used = endsAtNul ? bytes.length : bytesRead;
    const next = times.dropped + offset + used;
    return { at: mark?.at ?? changedAt, bytes, next, renewals: times.renewals };
  };

  return {
    async seek(tail, since) {
      await stable(async (look) => {
        const { times = NO_LOG_TIMES, size, floor } = look;
        const end = endsAtNul ? await textLength(look) : size;
        let from = floor;
        if (tail > 0) from = Math.max(from, await lastLines(look.file, floor, end, tail));
        if (since !== undefined) from = Math.max(from, await firstSince(look, end, since));
        position = times.dropped + from;
        renewals = times.renewals;
      });
    },
    async *unread() {
      for (;;) {
        const found = await stable(chunk);
        if (found === undefined || found.next === position) return;
        position = found.next;
        renewals = found.renewals;
        if (found.bytes.length > 0) yield { at: found.at, bytes: found.bytes };
      }
    },
  };
};

const isSameFile = (before: LogTimes | undefined, after: LogTimes | undefined): boolean =>
  before?.dropped === after?.dropped && before?.renewals === after?.renewals && after?.isBeingCut !== true;

const withoutZeros = (bytes: Buffer, endsAtNul: boolean, isInHole: boolean): Buffer => {
  if (!endsAtNul && !isInHole) return bytes;
  const edge = bytes.findIndex((byte) => (byte === 0) === endsAtNul);
  if (endsAtNul) return edge === -1 ? bytes : bytes.subarray(0, edge);
  return edge === -1 ? bytes.subarray(bytes.length) : bytes.subarray(edge);
};

const textLength = async ({ file, size }: Look): Promise<number> => {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(Math.min(size, CHUNK_BYTES)), 0);
  return withoutZeros(buffer.subarray(0, bytesRead), true, false).length;
};

/** Offset of the first line of which a part came then; without times the whole file is as old as its last change. */
const firstSince = async ({ file, times, changedAt }: Look, end: number, since: UnixMs): Promise<number> => {
  if (since > Date.now()) return end;
  if (times === undefined || times.marks.length === 0) return changedAt < since ? end : 0;
  const offset = Math.min(end, positionAt(times, since) - times.dropped);
  const start = Math.max(0, offset - MAX_LINE_BYTES);
  const { buffer } = await file.read(Buffer.alloc(offset - start), 0, offset - start, start);
  const newline = buffer.lastIndexOf(0x0a);
  return newline === -1 ? offset : start + newline + 1;
};

const lastLines = async (file: FileHandle, floor: number, size: number, tail: number): Promise<number> => {
  const buffer = Buffer.alloc(CHUNK_BYTES);
  let lines = 0;
  for (let end = size; end > floor; ) {
    const start = Math.max(floor, end - CHUNK_BYTES);
    const { bytesRead } = await file.read(buffer, 0, end - start, start);
    for (let i = bytesRead - 1; i >= 0; i--) {
      // The newline that ends the last line ends nothing we count.
      if (buffer[i] === 0x0a && start + i + 1 < size && ++lines === tail) return start + i + 1;
    }
    end = start;
  }
  return floor;
};

const openIfThere = async (path: string): Promise<FileHandle | undefined> => {
  try {
    return await open(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
};
