/**
 * A kernel's command line as one text, read as the kernel reads it (`next_arg` in lib/cmdline.c): blanks part
 * parameters, a double quote shields blanks up to the next one, quotes around a parameter or a value are not part of it,
 * and what follows a bare `--` is the init's.
 */
import { invalidField } from "./errors.ts";

export interface KernelParameter {
  readonly key: string;
  /** Undefined for a bare key, which is not the same as `key=` */
  readonly value: string | undefined;
}

/** @throws FlintlockError `invalid_spec` – too long, not printable ASCII, or a quote that is never closed */
export const parseWholeCmdline = (text: string, field: string, maxLength: number): string => {
  if (text.length > maxLength) {
    throw invalidField(field, `is ${text.length} characters long; at most ${maxLength} are possible`);
  }
  if (!/^[\x20-\x7e]*$/.test(text)) throw invalidField(field, "must be printable ASCII, in one line");
  if ((text.match(/"/g)?.length ?? 0) % 2 === 1)
    throw invalidField(field, "has a quote that is never closed");
  return text;
};

/** Every parameter up to `--`, repeated ones and their order included. */
export const kernelParameters = (text: string): readonly KernelParameter[] => {
  const parameters: KernelParameter[] = [];
  // A parameter is anything but blanks outside quotes
  for (const [word] of text.matchAll(/(?:[^\s"]|"[^"]*"?)+/g)) {
    if (word === "--") break;
    parameters.push(parameterOf(word));
  }
  return parameters;
};

/** The last value of each key, a bare one as empty: what most of the kernel goes by. */
export const lastValues = (parameters: readonly KernelParameter[]): Readonly<Record<string, string>> =>
  Object.fromEntries(parameters.map(({ key, value }) => [key, value ?? ""]));

/** A value with blanks in quotes, an empty one as a bare key: what `lastValues` reads back. */
export const cmdlineText = (parameters: Readonly<Record<string, string>>): string =>
  Object.entries(parameters)
    .map(([key, value]) => (value === "" ? key : `${key}=${/\s/.test(value) ? `"${value}"` : value}`))
    .join(" ");

const parameterOf = (word: string): KernelParameter => {
  const isQuoted = word.startsWith('"');
  const bare = isQuoted ? word.slice(1).replace(/"$/, "") : word;
  const equals = bare.indexOf("=");
  // As in the kernel: a leading "=" makes no key
  if (equals < 1) return { key: bare, value: undefined };
  const value = bare.slice(equals + 1);
  return {
    key: bare.slice(0, equals),
    value: value.startsWith('"') ? value.slice(1).replace(/"$/, "") : value,
  };
};
