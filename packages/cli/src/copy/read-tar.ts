/**
 * Reads the tar streams of a guest, which nothing makes honest: ustar and pax (POSIX.1-2017), with holes in GNU's
 * sparse format 1.0, as the guest's agent writes them. Checksums are verified, numbers and extensions bounded, and an
 * archive without its end is an error.
 */
import { CliError } from "../cli-error.ts";
import type { ByteSource } from "./byte-source.ts";
import { BLOCK_BYTES, paddingOf, type Segment, type TarEntry, type TarEntryType } from "./tar-entry.ts";

const MAX_EXTENSION_BYTES = 64 * 1024;
const MAX_SEGMENTS = 1024 * 1024;
const MAX_ID = 0xffff_ffff;
const PIECE_BYTES = 256 * 1024;
const TYPES: Readonly<Record<string, TarEntryType>> = {
  "\0": "file",
  "0": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "directory",
  "6": "fifo",
};

/** A piece of a file's data and where in the file it stands. */
export interface Piece {
  readonly at: number;
  readonly bytes: Buffer;
}

export interface ReadEntry extends TarEntry {
  /** Of a file; can be read once, before the next entry is asked for. What is not read is skipped. */
  readonly data: AsyncIterable<Piece>;
}

/** @throws CliError `data_loss` – no archive, a damaged one, or a part of one */
export const readTar = async function* (source: ByteSource): AsyncGenerator<ReadEntry> {
  for (;;) {
    const header = await readHeader(source);
    if (header === undefined) break;
    const data = dataOf(source, header);
    yield { ...header.entry, data };
    for await (const _ of data);
  }
  await source.drain();
};

interface Header {
  readonly entry: TarEntry;
  /** Bytes behind the header */
  readonly stored: number;
  readonly isSparse: boolean;
}

const readHeader = async (source: ByteSource): Promise<Header | undefined> => {
  let records: ReadonlyMap<string, string> = new Map();
  for (;;) {
    const block = await source.exactly(BLOCK_BYTES);
    if (block === undefined) throw damaged("it ends early");
    if (block.every((byte) => byte === 0)) return undefined;
    if (octal(block, 148, 8) !== sumOf(block)) throw damaged("a header's checksum does not match");
    const flag = block.toString("latin1", 156, 157);
    if (flag !== "x" && flag !== "g") return headerOf(block, flag, records);
    const size = octal(block, 124, 12);
    if (size > MAX_EXTENSION_BYTES) throw damaged("an extension header is too long");
    const bytes = await source.exactly(size + paddingOf(size));
    if (bytes === undefined) throw damaged("it ends early");
    if (flag === "x") records = readRecords(bytes.subarray(0, size));
  }
};

const headerOf = (block: Buffer, flag: string, records: ReadonlyMap<string, string>): Header => {
  const type = TYPES[flag];
  if (type === undefined) throw damaged(`an entry is of the unknown type ${JSON.stringify(flag)}`);
  const number = (key: string, start: number, length: number, max: number): number =>
    bounded(key, records.has(key) ? decimal(records.get(key)) : octal(block, start, length), max);
  const isSparse = records.has("GNU.sparse.major");
  if (isSparse && records.get("GNU.sparse.major") !== "1")
    throw damaged("a file with holes is of another format");
  const stored = type === "file" ? number("size", 124, 12, Number.MAX_SAFE_INTEGER) : 0;
  const prefix = text(block, 345, 155);
  const name = text(block, 0, 100);
  const entry = {
    path:
      records.get("GNU.sparse.name") ?? records.get("path") ?? (prefix === "" ? name : `${prefix}/${name}`),
    type,
    link: records.get("linkpath") ?? text(block, 157, 100),
    mode: octal(block, 100, 8) & 0o7777,
    uid: number("uid", 108, 8, MAX_ID),
    gid: number("gid", 116, 8, MAX_ID),
    mtime: records.has("mtime") ? decimal(records.get("mtime")) : octal(block, 136, 12),
    size: isSparse
      ? bounded("realsize", decimal(records.get("GNU.sparse.realsize")), Number.MAX_SAFE_INTEGER)
      : stored,
  };
  if (!Number.isSafeInteger(entry.mtime)) throw damaged("a time is none");
  if (/\0/.test(entry.path) || /\0/.test(entry.link)) throw damaged("a name holds a NUL byte");
  return { entry, stored, isSparse };
};

const dataOf = async function* (
  source: ByteSource,
  { entry, stored, isSparse }: Header,
): AsyncGenerator<Piece> {
  let left = stored;
  const take = async (most: number): Promise<Buffer> => {
    if (left === 0) throw damaged("a file's map is longer than the file");
    const bytes = await source.some(Math.min(most, left));
    if (bytes === undefined) throw damaged("it ends early");
    left -= bytes.length;
    return bytes;
  };
  const segments = isSparse ? await readMap(take, entry.size) : [{ start: 0, length: stored }];
  for (const { start, length } of segments) {
    for (let done = 0; done < length; ) {
      const bytes = await take(Math.min(PIECE_BYTES, length - done));
      yield { at: start + done, bytes };
      done += bytes.length;
    }
  }
  while (left > 0) await take(PIECE_BYTES);
  const padding = paddingOf(stored);
  if (padding > 0 && (await source.exactly(padding)) === undefined) throw damaged("it ends early");
};

/** Numbers, a line each, padded to a block: how many segments, then start and length of each. */
const readMap = async (
  take: (most: number) => Promise<Buffer>,
  size: number,
): Promise<readonly Segment[]> => {
  let text = "";
  let at = 0;
  const more = async (): Promise<void> => {
    // Its end is in the block that its last line is in, so whole blocks are taken.
    text = text.slice(at);
    at = 0;
    for (let left = BLOCK_BYTES; left > 0; ) {
      const bytes = await take(left);
      text += bytes.toString("latin1");
      left -= bytes.length;
    }
  };
  const next = async (): Promise<number> => {
    let end = text.indexOf("\n", at);
    while (end < 0) {
      if (text.length - at > 32) throw damaged("the map of a file with holes cannot be read");
      await more();
      end = text.indexOf("\n", at);
    }
    const number = decimal(text.slice(at, end));
    at = end + 1;
    return bounded("map", number, Number.MAX_SAFE_INTEGER);
  };
  const count = await next();
  if (count > MAX_SEGMENTS) throw damaged("a file has too many holes");
  const segments: Segment[] = [];
  for (let index = 0; index < count; index += 1) {
    const segment = { start: await next(), length: await next() };
    if (segment.start + segment.length > size) throw damaged("a file's data lies beyond its end");
    segments.push(segment);
  }
  return segments;
};

const readRecords = (bytes: Buffer): ReadonlyMap<string, string> => {
  const records = new Map<string, string>();
  for (let start = 0; start < bytes.length; ) {
    const [, digits, key, equals] =
      /^([0-9]{1,6}) ([^=]+)(=)/.exec(bytes.toString("latin1", start, start + 256)) ?? [];
    const end = start + Number(digits);
    if (digits === undefined || key === undefined || equals === undefined)
      throw damaged("a pax record is malformed");
    const value = start + digits.length + 1 + key.length + 1;
    if (end <= value - 1 || end > bytes.length || bytes[end - 1] !== 0x0a)
      throw damaged("a pax record is malformed");
    records.set(key, bytes.toString("latin1", value, end - 1));
    start = end;
  }
  return records;
};

const sumOf = (block: Buffer): number =>
  block.reduce((sum, byte, index) => sum + (index >= 148 && index < 156 ? 0x20 : byte), 0);

const text = (block: Buffer, start: number, length: number): string =>
  block.toString("latin1", start, start + length).split("\0", 1)[0] ?? "";

const octal = (block: Buffer, start: number, length: number): number => {
  const [, digits] = /^ *([0-7]*)(?:[ \0]|$)/.exec(block.toString("latin1", start, start + length)) ?? [];
  if (digits === undefined) throw damaged("a header's number is not readable");
  return digits === "" ? 0 : Number.parseInt(digits, 8);
};

const decimal = (value: string | undefined): number =>
  value !== undefined && /^-?[0-9]{1,16}(?:\.[0-9]*)?$/.test(value) ? Math.trunc(Number(value)) : Number.NaN;

const bounded = (what: string, value: number, max: number): number => {
  if (Number.isSafeInteger(value) && value >= 0 && value <= max) return value;
  throw damaged(`${what} is not a number that could be`);
};

export const damaged = (why: string): CliError =>
  new CliError("data_loss", "what came from the guest is not a whole tar archive", { why });
