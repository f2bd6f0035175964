/**
 * Reads tar archives: v7, ustar, pax (POSIX.1-2017) and GNU, as image layers and `docker save` use them.
 *
 * INVARIANTS:
 * - nothing is trusted: checksums are verified, numbers and extension headers bounded, a truncated entry is
 *   an error. An archive may end without its two blocks of zeros, at the edge of an entry only; GNU tar and Go
 *   read such archives, and writers of image layers have made them.
 * - the source is read to its very end, padding too, so a digest computed on the way covers all of it.
 * - sparse members (GNU `S`, pax `GNU.sparse.*`) are refused by name: read as plain files they would be wrong.
 */
import { FlintlockError } from "@flintlock/core";
import { ByteReader, truncated } from "./byte-reader.ts";
import { BLOCK_BYTES, badHeader, parseHeader, type TarHeader } from "./header.ts";
import { noPaxFields, type PaxFields, readPaxRecords } from "./pax.ts";
import { quoteName, type TarEntry, type TarEntryType } from "./tar-entry.ts";

/** Most bytes of one extension header (pax records, GNU long name). */
export const MAX_EXTENSION_BYTES = 1024 * 1024;
const MAX_ID = 0xffff_ffff;
const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();

const ENTRY_TYPES: Readonly<Record<string, TarEntryType>> = {
  "0": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "directory",
  "6": "fifo",
  "7": "file",
};

/**
 * The entries of the archive in `source`, in its order. Extension headers are folded into the entries they
 * speak of. Throws the signal's reason on abort, looked at whenever the source is asked for more.
 * @throws FlintlockError `data_loss` – not a tar archive, damaged, or cut short; `unsupported` – sparse or
 *   multi-volume members
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<TarEntry, void, undefined> {
  const reader = new ByteReader(source, signal);
  try {
    const global = noPaxFields();
    for (;;) {
      const next = await readHeaders(reader, global);
      if (next === undefined) break;
      const entry = toEntry(next.header, next.pax, global, reader);
      yield entry;
      await entry.body.skipRest();
    }
    await reader.drain();
  } finally {
    await reader.close();
  }
}

interface Headers {
  readonly header: TarHeader;
  readonly pax: PaxFields;
}

/** The next entry's header, together with the extension headers before it. */
const readHeaders = async (reader: ByteReader, global: PaxFields): Promise<Headers | undefined> => {
  let pax = noPaxFields();
  let longPath: string | undefined;
  let longLink: string | undefined;
  let isPending = false;
  for (;;) {
    const block = reader.takeWhole(BLOCK_BYTES) ?? (await reader.take(BLOCK_BYTES));
    const header = block === undefined ? undefined : parseHeader(block);
    if (header === undefined) {
      if (isPending) throw truncated();
      return undefined;
    }
    switch (header.typeFlag) {
      case "x":
      case "X": // Solaris tar's name for the same
        pax = noPaxFields();
        readPaxRecords(await readExtension(reader, header.size), pax);
        break;
      case "g":
        readPaxRecords(await readExtension(reader, header.size), global);
        global.xattrs = undefined;
        continue;
      case "L":
        longPath = untilNul(await readExtension(reader, header.size));
        break;
      case "K":
        longLink = untilNul(await readExtension(reader, header.size));
        break;
      case "V": // GNU volume label
        await readExtension(reader, header.size);
        continue;
      default:
        pax.path ??= longPath;
        pax.linkPath ??= longLink;
        return { header, pax };
    }
    isPending = true;
  }
};

const readExtension = async (reader: ByteReader, size: number): Promise<Buffer> => {
  if (size < 0 || size > MAX_EXTENSION_BYTES) {
    throw badHeader(`an extension header of ${size} bytes is over the limit of ${MAX_EXTENSION_BYTES}`);
  }
  if (size === 0) return Buffer.alloc(0);
  const bytes = await reader.take(paddedSize(size));
  if (bytes === undefined) throw truncated();
  return bytes.subarray(0, size);
};

const untilNul = (bytes: Buffer): string => {
  const nul = bytes.indexOf(0);
  return bytes.toString("latin1", 0, nul === -1 ? bytes.length : nul);
};

const toEntry = (
  header: TarHeader,
  pax: PaxFields,
  global: PaxFields,
  reader: ByteReader,
): TarEntry & { readonly body: EntryBody } => {
  const path = pax.path ?? global.path ?? header.path;
  const named = ENTRY_TYPES[header.typeFlag];
  if (header.typeFlag === "S" || pax.isSparse) {
    throw unsupported(path, "is a sparse member; write the archive without --sparse");
  }
  if (named === undefined) {
    throw unsupported(path, `is of type ${quoteName(header.typeFlag)}, which no image layer holds`);
  }
  // Before ustar a directory was a file whose name ends with a slash.
  const type = named === "file" && path.endsWith("/") ? "directory" : named;
  const storedSize = pax.size ?? global.size ?? header.size;
  const uid = pax.uid ?? global.uid ?? header.uid;
  const gid = pax.gid ?? global.gid ?? header.gid;
  if (storedSize < 0) throw badHeader(`${quoteName(path)} has a negative size`);
  if (uid < 0 || uid > MAX_ID || gid < 0 || gid > MAX_ID) {
    throw badHeader(`${quoteName(path)} has an owner outside 0..${MAX_ID}`);
  }
  // Some writers give a hard link its target's size; no data follows it all the same.
  const size = type === "file" ? storedSize : 0;
  return {
    path,
    type,
    linkPath:
      type === "symlink" || type === "hardlink" ? (pax.linkPath ?? global.linkPath ?? header.linkPath) : "",
    mode: header.mode,
    uid,
    gid,
    mtime: pax.mtime ?? global.mtime ?? header.mtime,
    size,
    devMajor: header.devMajor,
    devMinor: header.devMinor,
    xattrs: pax.xattrs ?? NO_XATTRS,
    body: new EntryBody(reader, size),
  };
};

const unsupported = (path: string, problem: string): FlintlockError =>
  new FlintlockError("unsupported", `tar archive: ${quoteName(path)} ${problem}`);

const paddedSize = (size: number): number => Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;

/** The data of one entry, handed out as views of the source's own chunks. */
class EntryBody implements AsyncIterableIterator<Uint8Array> {
  readonly #reader: ByteReader;
  #left: number;
  #padding: number;
  #isOver = false;

  constructor(reader: ByteReader, size: number) {
    this.#reader = reader;
    this.#left = size;
    this.#padding = paddedSize(size) - size;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#isOver) throw new Error("the body of a tar entry was read after the next entry was asked for");
    if (this.#left === 0) return { done: true, value: undefined };
    let value = this.#reader.takeReady(this.#left);
    if (value.length === 0) {
      if (!(await this.#reader.fill())) throw truncated();
      value = this.#reader.takeReady(this.#left);
    }
    this.#left -= value.length;
    return { done: false, value };
  }

  async skipRest(): Promise<void> {
    this.#isOver = true;
    const rest = this.#left + this.#padding;
    this.#left = 0;
    this.#padding = 0;
    if (rest > 0 && this.#reader.takeWhole(rest) === undefined) await this.#reader.skip(rest);
  }
}
