/** Tokens and PEM, given as text or in files. What they hold is in no error. */
import { readFileSync, statSync } from "node:fs";
import { ClientError } from "./client-error.ts";

/** PEM itself (text or bytes), or the path of a file with it */
export type FileOrText = string | Uint8Array;

const MAX_FILE_BYTES = 1024 * 1024;
const PEM_MARK = "-----BEGIN ";
/** As docs/security.md has it, and as a header may carry it */
const TOKEN = /^[\x21-\x7e]{16,4096}$/;

/** @throws ClientError `invalid_spec` – the file cannot be read, or there is no PEM in it */
export const readPem = (source: FileOrText, option: string): Buffer => {
  const isText = typeof source !== "string" || source.includes(PEM_MARK);
  const bytes = isText ? Buffer.from(source) : readBounded(source, option);
  if (bytes.includes(PEM_MARK)) return bytes;
  throw problem(option, isText ? "is no PEM" : `${source} is no PEM file`);
};

/** @throws ClientError `invalid_spec` – the file cannot be read, or no token can look like this */
export const readToken = (
  source: { readonly text: string } | { readonly file: string },
  option: string,
): string => {
  const text = "text" in source ? source.text : readBounded(source.file, option).toString("utf8");
  const token = text.trim();
  if (TOKEN.test(token)) return token;
  throw problem(option, "a token has 16 to 4096 printable ASCII characters without spaces");
};

const readBounded = (path: string, option: string): Buffer => {
  try {
    if (statSync(path).size > MAX_FILE_BYTES) throw new Error(`it has more than ${MAX_FILE_BYTES} bytes`);
    return readFileSync(path);
  } catch (error) {
    throw problem(
      option,
      `cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`,
      error,
    );
  }
};

const problem = (option: string, text: string, cause?: unknown): ClientError =>
  new ClientError("invalid_spec", `${option}: ${text}`, { field: option, cause });
