import { FlintlockError } from "@flintlock/core";

/** A tar archive is a sequence of blocks of this size (POSIX.1-2017, pax, "ustar Interchange Format"). */
export const BLOCK_BYTES = 512;

export interface TarHeader {
  readonly path: string;
  readonly typeFlag: string;
  readonly linkPath: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly size: number;
  readonly devMajor: number;
  readonly devMinor: number;
}

const CHECKSUM_START = 148;
const CHECKSUM_END = 156;
const SPACE = 0x20;

/**
 * One header block. Undefined for a block of zeros, which marks the end of an archive.
 * @throws FlintlockError `data_loss` – the checksum or a number does not hold
 */
export const parseHeader = (block: Buffer): TarHeader | undefined => {
  if (!hasValidChecksum(block)) {
    if (block.every((byte) => byte === 0)) return undefined;
    throw badHeader("a header's checksum does not match");
  }
  // Only POSIX ustar has a path prefix; GNU tar ("ustar  ") keeps other things in those bytes.
  const isUstar = block.toString("latin1", 257, 263) === "ustar\0";
  const name = textField(block, 0, 100);
  const prefix = isUstar ? textField(block, 345, 155) : "";
  const typeFlag = String.fromCharCode(block[156] ?? 0);
  const isDevice = typeFlag === "3" || typeFlag === "4";
  return {
    path: prefix === "" ? name : `${prefix}/${name}`,
    typeFlag: typeFlag === "\0" ? "0" : typeFlag,
    linkPath: textField(block, 157, 100),
    mode: numberField(block, 100, 8) & 0o7777,
    uid: numberField(block, 108, 8),
    gid: numberField(block, 116, 8),
    size: numberField(block, 124, 12),
    mtime: numberField(block, 136, 12),
    devMajor: isDevice ? numberField(block, 329, 8) : 0,
    devMinor: isDevice ? numberField(block, 337, 8) : 0,
  };
};

const hasValidChecksum = (block: Buffer): boolean => {
  let unsigned = SPACE * (CHECKSUM_END - CHECKSUM_START);
  let high = 0;
  for (let i = 0; i < BLOCK_BYTES; i++) {
    if (i === CHECKSUM_START) i = CHECKSUM_END;
    const byte = block[i] ?? 0;
    unsigned += byte;
    high += byte >> 7;
  }
  const stored = octal(block, CHECKSUM_START, CHECKSUM_END);
  // Some old writers summed signed bytes: each byte over 127 then counts 256 less.
  return stored === unsigned || stored === unsigned - 256 * high;
};

const textField = (block: Buffer, start: number, length: number): string => {
  const nul = block.indexOf(0, start);
  const end = nul === -1 ? start + length : Math.min(nul, start + length);
  return end === start ? "" : block.toString("latin1", start, end);
};

/** Octal digits, or, with the first bit set, a big-endian two's complement number (GNU's and star's "base-256"). */
const numberField = (block: Buffer, start: number, length: number): number => {
  const first = block[start] ?? 0;
  const value =
    (first & 0x80) === 0 ? octal(block, start, start + length) : base256(block, start, start + length);
  if (value === undefined || !Number.isSafeInteger(value)) {
    throw badHeader(`a header's number at offset ${start} is not readable`);
  }
  return value;
};

const octal = (block: Buffer, start: number, end: number): number | undefined => {
  let i = start;
  while (i < end && block[i] === SPACE) i++;
  let value = 0;
  for (; i < end; i++) {
    const byte = block[i] ?? 0;
    if (byte === 0 || byte === SPACE) break;
    if (byte < 0x30 || byte > 0x37) return undefined;
    value = value * 8 + (byte - 0x30);
  }
  return value;
};

const base256 = (block: Buffer, start: number, end: number): number => {
  const first = block[start] ?? 0;
  const isNegative = (first & 0x40) !== 0;
  let value = isNegative ? (first | 0x80) - 0x100 : first & 0x3f;
  for (let i = start + 1; i < end; i++) value = value * 256 + (block[i] ?? 0);
  return value;
};

export const badHeader = (problem: string): FlintlockError =>
  new FlintlockError("data_loss", `tar archive: ${problem}`);
