/**
 * What a tar archive says of one file. Names are bytes, not text: Linux allows any byte but NUL and `/`. So they are
 * *binary strings* here, one character (latin1) per byte.
 */
export type TarEntryType = "file" | "directory" | "symlink" | "hardlink" | "char" | "block" | "fifo";

export interface TarEntry {
  /** As in the archive: may be absolute, hold `..`, or end with `/` */
  readonly path: string;
  readonly type: TarEntryType;
  /** Of both kinds of links, else empty */
  readonly link: string;
  /** Permissions, setuid, setgid, sticky */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970 */
  readonly mtime: number;
  /** Of a file, holes counted */
  readonly size: number;
}

/** A stretch of a file's data. */
export interface Segment {
  readonly start: number;
  readonly length: number;
}

export const BLOCK_BYTES = 512;

/** The bytes from `size` to the next block. */
export const paddingOf = (size: number): number => (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;

export const toBinary = (text: string): string => Buffer.from(text, "utf8").toString("latin1");
export const fromBinary = (binary: string): Buffer => Buffer.from(binary, "latin1");
/** For a person to read. */
export const shownName = (binary: string): string => fromBinary(binary).toString("utf8");
