/** Tar headers (POSIX.1-2017, pax): ustar, with pax records for what that has no room for. */
import {
  BLOCK_BYTES,
  fromBinary,
  paddingOf,
  type Segment,
  type TarEntry,
  type TarEntryType,
} from "./tar-entry.ts";

const TYPE_FLAGS: Readonly<Record<TarEntryType, string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};
const MAX_NAME_BYTES = 100;

/**
 * The header of `entry` and, for a file with holes, the map of its `segments` (GNU's sparse format 1.0): what stands
 * before the data, which is the segments' own, padded to a block.
 */
export const writeHeader = (entry: TarEntry, segments?: readonly Segment[]): Buffer => {
  const map = segments === undefined ? Buffer.alloc(0) : mapOf(segments);
  const stored = segments?.reduce((sum, { length }) => sum + length, map.length) ?? entry.size;
  const path = entry.type === "directory" ? `${entry.path}/` : entry.path;
  const records: [string, string][] = [];
  const text = (key: string, value: string): string => {
    if (value.length > MAX_NAME_BYTES) records.push([key, value]);
    return value.slice(0, MAX_NAME_BYTES);
  };
  const number = (key: string, value: number, digits: number): string => {
    const isFit = value >= 0 && value < 8 ** digits;
    if (!isFit) records.push([key, String(value)]);
    return isFit ? octal(value, digits) : octal(0, digits);
  };
  if (segments !== undefined) {
    records.push(["GNU.sparse.major", "1"], ["GNU.sparse.minor", "0"]);
    records.push(["GNU.sparse.name", path], ["GNU.sparse.realsize", String(entry.size)]);
  }
  const block = blockOf({
    name: segments === undefined ? text("path", path) : "GNUSparseFile.0/file",
    mode: octal(entry.mode & 0o7777, 7),
    uid: number("uid", entry.uid, 7),
    gid: number("gid", entry.gid, 7),
    size: number("size", stored, 11),
    mtime: number("mtime", Math.trunc(entry.mtime), 11),
    type: TYPE_FLAGS[entry.type],
    link: text("linkpath", entry.link),
  });
  return Buffer.concat([...(records.length > 0 ? extension(records) : []), block, map]);
};

const extension = (records: readonly (readonly [string, string])[]): readonly Buffer[] => {
  const body = fromBinary(records.map(([key, value]) => record(key, value)).join(""));
  const size = octal(body.length, 11);
  const fields = {
    name: "pax",
    mode: octal(0o644, 7),
    uid: octal(0, 7),
    gid: octal(0, 7),
    mtime: octal(0, 11),
  };
  return [blockOf({ ...fields, size, type: "x", link: "" }), body, Buffer.alloc(paddingOf(body.length))];
};

/** A record's length counts its own digits. */
const record = (key: string, value: string): string => {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
  return `${length}${rest}`;
};

const mapOf = (segments: readonly Segment[]): Buffer => {
  const numbers = segments.flatMap(({ start, length }) => [start, length]);
  const text = Buffer.from([segments.length, ...numbers].map((number) => `${number}\n`).join(""));
  return Buffer.concat([text, Buffer.alloc(paddingOf(text.length))]);
};

type Fields = Readonly<Record<"name" | "mode" | "uid" | "gid" | "size" | "mtime" | "type" | "link", string>>;

const blockOf = (fields: Fields): Buffer => {
  const block = Buffer.alloc(BLOCK_BYTES);
  block.write(fields.name, 0, "latin1");
  block.write(fields.mode, 100, "latin1");
  block.write(fields.uid, 108, "latin1");
  block.write(fields.gid, 116, "latin1");
  block.write(fields.size, 124, "latin1");
  block.write(fields.mtime, 136, "latin1");
  block.fill(" ", 148, 156);
  block.write(fields.type, 156, "latin1");
  block.write(fields.link, 157, "latin1");
  block.write("ustar\0" + "00", 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0 `, 148, "latin1");
  return block;
};

const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, "0");
