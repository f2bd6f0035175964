/**
 * What a tar archive holds, as its bytes say it.
 *
 * Names are bytes, not text: Linux allows any byte but NUL and `/`. So `path`, `linkPath` and the names of
 * extended attributes are *binary strings*: one character (U+0000–U+00FF, latin1) per byte. They compare and
 * hash exactly, survive invalid UTF-8, and an ASCII name reads as itself. `binaryToText` shows one to a human,
 * `textToBinary` brings a name typed by one into this form.
 */

export type TarEntryType = "file" | "directory" | "symlink" | "hardlink" | "char" | "block" | "fifo";

export interface TarEntry {
  /** Binary string, as written in the archive: may be absolute, hold `..`, or end with `/` */
  readonly path: string;
  readonly type: TarEntryType;
  /** Binary string: target of a symlink, or path of the archive member a hard link names; else empty */
  readonly linkPath: string;
  /** Permission bits and setuid, setgid, sticky: 0..0o7777 */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch, with a fraction where the archive has one; may be negative */
  readonly mtime: number;
  /** Bytes of `body`; 0 for all but files */
  readonly size: number;
  readonly devMajor: number;
  readonly devMinor: number;
  /** Full name (`user.x`, `security.capability`), a binary string, to its value */
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** Can be read once, and only until the next entry is asked for; what is not read is skipped */
  readonly body: AsyncIterable<Uint8Array>;
}

export const binaryToText = (binary: string): string => Buffer.from(binary, "latin1").toString("utf8");

export const textToBinary = (text: string): string => Buffer.from(text, "utf8").toString("latin1");

const SHOWN_CHARACTERS = 200;

/** A name from an archive made fit for an error message: quoted, control characters escaped, bounded. */
export const quoteName = (binary: string): string => {
  const text = binaryToText(binary);
  return JSON.stringify(text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text);
};
