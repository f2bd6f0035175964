/** Rules for copying files out of a guest and into it. */
import { invalidField } from "./errors.ts";
import { utf8Length } from "./text-rules.ts";

export interface CopyOut {
  /** Absolute */
  readonly path: string;
  /** Where `path` is a symlink, what it leads to is meant */
  readonly followsLink: boolean;
  /** Only the header of what `path` leads to, under its true path */
  readonly isHeaderOnly: boolean;
}

export interface CopyIn {
  /** Absolute; a directory that is there */
  readonly path: string;
  /** Files belong to whom the archive says; else to root */
  readonly keepsOwners: boolean;
}

/** Linux's PATH_MAX, without the NUL at the end. */
const MAX_PATH_BYTES = 4095;

/** @throws FlintlockError `invalid_spec` – no path that a guest could have */
export const parseGuestPath = (text: string, field: string): string => {
  const isFit = text.startsWith("/") && !text.includes("\0") && utf8Length(text) <= MAX_PATH_BYTES;
  if (isFit) return text;
  throw invalidField(field, `must be an absolute path of at most ${MAX_PATH_BYTES} bytes without NUL`);
};
