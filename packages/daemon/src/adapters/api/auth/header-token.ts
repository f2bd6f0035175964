/** The token in an `authorization` header: `Basic base64(token)`, as upstream, or `Bearer token`. */
import { FlintlockError } from "@flintlock/core";

/** Room for a long token in base64; a client's mistake should not be hashed by the megabyte */
const MAX_CHARS = 8 * 1024;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * The token as it was sent; undefined when it is in a form that no token has, and so is wrong.
 * COMPAT: the words of both errors are upstream's.
 * @throws FlintlockError `unauthenticated` – there is no token to be had from it
 */
export const headerToken = (header: string | undefined): Buffer | undefined => {
  if (header === undefined || header === "") throw noToken("Request unauthenticated with basic");
  if (header.length > MAX_CHARS) throw noToken("Bad authorization string");
  const space = header.indexOf(" ");
  if (space < 0) throw noToken("Bad authorization string");
  const rest = header.slice(space + 1);
  switch (header.slice(0, space).toLowerCase()) {
    case "basic":
      return decoded(rest);
    case "bearer":
      return rest === "" ? undefined : Buffer.from(rest);
    default:
      throw noToken("Request unauthenticated with basic");
  }
};

/** Node passes over what is not base64; a token has one spelling, with or without its padding. */
const decoded = (text: string): Buffer | undefined => {
  if (!BASE64.test(text)) return undefined;
  const token = Buffer.from(text, "base64");
  const isCanonical = token.toString("base64").replace(/=+$/, "") === text.replace(/=+$/, "");
  return isCanonical && (!text.endsWith("=") || text.length % 4 === 0) ? token : undefined;
};

const noToken = (words: string): FlintlockError =>
  new FlintlockError(
    "unauthenticated",
    `could not extract token from request header: rpc error: code = Unauthenticated desc = ${words}`,
    { hint: "Send the header 'authorization: Bearer TOKEN', or Basic with the token in base64." },
  );
