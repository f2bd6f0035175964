import { badHeader } from "./header.ts";

/**
 * What a pax extended header (POSIX.1-2017, pax, "pax Extended Header") says about entries. Undefined: nothing.
 * Text is kept as binary strings and attribute values as bytes; nothing passes through UTF-8.
 */
export interface PaxFields {
  path: string | undefined;
  linkPath: string | undefined;
  size: number | undefined;
  uid: number | undefined;
  gid: number | undefined;
  mtime: number | undefined;
  xattrs: Map<string, Uint8Array> | undefined;
  isSparse: boolean;
}

export const noPaxFields = (): PaxFields => ({
  path: undefined,
  linkPath: undefined,
  size: undefined,
  uid: undefined,
  gid: undefined,
  mtime: undefined,
  xattrs: undefined,
  isSparse: false,
});

/** Written by star, GNU tar, Go: the value is the raw bytes. */
const SCHILY_XATTR = "SCHILY.xattr.";
/** Written by libarchive: the name is percent-encoded, the value base64. */
const LIBARCHIVE_XATTR = "LIBARCHIVE.xattr.";

/**
 * Reads the records `<length> <key>=<value>\n` of `bytes` over `fields`.
 * @throws FlintlockError `data_loss` – a record does not keep to that form
 */
export const readPaxRecords = (bytes: Buffer, fields: PaxFields): void => {
  for (let start = 0; start < bytes.length; ) {
    const space = bytes.indexOf(0x20, start);
    const digits = space === -1 || space - start > 10 ? "" : bytes.toString("latin1", start, space);
    const end = /^[0-9]+$/.test(digits) ? start + Number(digits) : 0;
    const equals = bytes.indexOf(0x3d, space + 1);
    if (end <= space || end > bytes.length || bytes[end - 1] !== 0x0a || equals <= space || equals >= end) {
      throw badHeader("a pax record is malformed");
    }
    readRecord(bytes.toString("latin1", space + 1, equals), bytes.subarray(equals + 1, end - 1), fields);
    start = end;
  }
};

const readRecord = (key: string, value: Buffer, fields: PaxFields): void => {
  switch (key) {
    case "path":
      fields.path = name(key, value);
      return;
    case "linkpath":
      fields.linkPath = name(key, value);
      return;
    case "size":
      fields.size = wholeNumber(key, value);
      return;
    case "uid":
      fields.uid = wholeNumber(key, value);
      return;
    case "gid":
      fields.gid = wholeNumber(key, value);
      return;
    case "mtime":
      fields.mtime = seconds(key, value);
      return;
    default:
      readOtherRecord(key, value, fields);
  }
};

const readOtherRecord = (key: string, value: Buffer, fields: PaxFields): void => {
  if (key.startsWith("GNU.sparse.")) {
    fields.isSparse = true;
  } else if (key.startsWith(SCHILY_XATTR)) {
    fields.xattrs ??= new Map();
    fields.xattrs.set(key.slice(SCHILY_XATTR.length), Uint8Array.from(value));
  } else if (key.startsWith(LIBARCHIVE_XATTR)) {
    const attribute = percentDecode(key.slice(LIBARCHIVE_XATTR.length));
    fields.xattrs ??= new Map();
    // libarchive writes both forms; the raw one is exact.
    if (fields.xattrs.has(attribute)) return;
    fields.xattrs.set(attribute, Uint8Array.from(Buffer.from(value.toString("latin1"), "base64")));
  }
};

/** An empty value takes a record back, so the header's own field counts again. */
const name = (key: string, value: Buffer): string | undefined => {
  if (value.includes(0)) throw badHeader(`pax record ${key} holds a NUL byte`);
  return value.length === 0 ? undefined : value.toString("latin1");
};

const wholeNumber = (key: string, value: Buffer): number | undefined => {
  if (value.length === 0) return undefined;
  const text = value.toString("latin1");
  const number = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw badHeader(`pax record ${key} is not a whole number`);
  return number;
};

const seconds = (key: string, value: Buffer): number | undefined => {
  if (value.length === 0) return undefined;
  const text = value.toString("latin1");
  if (!/^-?[0-9]{1,15}(\.[0-9]{0,20})?$/.test(text)) throw badHeader(`pax record ${key} is not a time`);
  return Number(text);
};

const percentDecode = (text: string): string =>
  text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
