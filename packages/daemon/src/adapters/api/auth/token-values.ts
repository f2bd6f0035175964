/** What stands under `token:` in the credentials file: the token, its hash, or the file it is in; or a list of these. */
import { invalidField } from "@flintlock/core";
import { at, type Fields } from "./credentials-fields.ts";
import { tokenDigest } from "./find-token.ts";
import { readPrivateFile } from "./private-file.ts";

/** Below this a token can be guessed */
const MIN_CHARS = 16;
const MAX_CHARS = 4_096;
/** Two are needed while one is replaced by another */
const MAX_TOKENS = 8;
const HASH = /^sha256:[0-9a-f]{64}$/;

export interface TokenDigests {
  readonly digests: readonly Buffer[];
  readonly files: readonly string[];
}

/** @throws FlintlockError `invalid_spec` – without a word of the token */
export const tokenDigests = async (
  entry: Fields,
  resolvePath: (path: string) => string,
): Promise<TokenDigests> => {
  const path = at(entry, "token");
  const value = entry.get("token");
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (values.length === 0 || values.length > MAX_TOKENS) {
    throw invalidField(path, `must be a token, or a list of 1 to ${MAX_TOKENS}`);
  }
  const digests: Buffer[] = [];
  const files: string[] = [];
  for (const one of values) {
    if (typeof one !== "string") throw invalidField(path, `must be a text: put it in quotes`);
    if (one.startsWith("sha256:")) {
      if (!HASH.test(one)) throw invalidField(path, "must have 64 lower-case hex digits after sha256:");
      digests.push(Buffer.from(one.slice("sha256:".length), "hex"));
    } else if (one.startsWith("file:")) {
      const file = resolvePath(one.slice("file:".length));
      files.push(file);
      const text = await readPrivateFile(file, "token file", MAX_CHARS + 2);
      digests.push(tokenDigest(checked(text.replace(/\r?\n$/, ""), path)));
    } else {
      digests.push(tokenDigest(checked(one, path)));
    }
  }
  return { digests, files };
};

/** What a header can carry as `Bearer`. */
const checked = (token: string, path: string): string => {
  if (token.length < MIN_CHARS || token.length > MAX_CHARS || !/^[\x21-\x7e]+$/.test(token)) {
    throw invalidField(
      path,
      `must be ${MIN_CHARS} to ${MAX_CHARS} printable ASCII characters without spaces`,
    );
  }
  return token;
};
