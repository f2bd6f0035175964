/** Every way we could think of to get a token wrong. */
import { createHash } from "node:crypto";

export interface WrongToken {
  readonly name: string;
  /** Values of the header, each in a line of its own where the transport has lines */
  readonly authorization: readonly string[];
  /** HTTP refuses it before anybody looks at credentials */
  readonly http?: 400 | 431;
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Wrong whatever the right tokens are. */
export const ALWAYS_WRONG: readonly WrongToken[] = [
  { name: "no header", authorization: [] },
  { name: "an empty header", authorization: [""] },
  { name: "a scheme alone", authorization: ["Basic"] },
  { name: "Bearer alone", authorization: ["Bearer"] },
  { name: "a scheme and a space", authorization: ["Basic "] },
  { name: "Bearer and nothing", authorization: ["Bearer  "] },
  { name: "an equals sign", authorization: ["Basic ="] },
  { name: "base64 of nothing but padding", authorization: ["Basic ===="] },
  { name: "lower-case basic with a wrong token", authorization: [`basic ${base64("wrong")}`] },
  { name: "upper-case bearer with a wrong token", authorization: ["BEARER wrong-token-wrong-token"] },
  { name: "user and password", authorization: [`Basic ${base64("admin:admin")}`] },
  { name: "an empty user and password", authorization: [`Basic ${base64(":")}`] },
  { name: "Digest", authorization: ['Digest username="admin", nonce="x", response="y"'] },
  { name: "Negotiate", authorization: ["Negotiate YIIJvwYGKwYBBQUCoIIJszCCCa8="] },
  { name: "an unsigned JWT", authorization: ["Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."] },
  { name: "unicode", authorization: ["Bearer пароль-пароль-пароль"] },
  { name: "unicode in base64", authorization: [`Basic ${base64("пароль-пароль-пароль")}`] },
  { name: "bytes that are no text, in base64", authorization: ["Basic /////////w=="] },
  { name: "a NUL in base64", authorization: [`Basic ${base64("\0".repeat(20))}`] },
  { name: "SQL", authorization: [`Bearer ' OR 1=1 --`] },
  { name: "a path", authorization: ["Bearer ../../../../etc/shadow"] },
  { name: "a property of every object", authorization: ["Bearer __proto__"] },
  { name: "a format string", authorization: ["Bearer %s%s%s%n%n%n"] },
  { name: "undefined, as a word", authorization: ["Bearer undefined"] },
  { name: "the name of a caller", authorization: ["Bearer admin"] },
  { name: "8 KiB", authorization: [`Bearer ${"x".repeat(8 * 1024)}`] },
  { name: "15 KiB", authorization: [`Basic ${"x".repeat(15 * 1024)}`] },
  { name: "17 KiB", authorization: [`Bearer ${"x".repeat(17 * 1024)}`], http: 431 },
  { name: "60 KiB", authorization: [`Bearer ${"x".repeat(60 * 1024)}`], http: 431 },
];

/** What comes close to `token` and is not it. */
export const closeTo = (token: string): readonly WrongToken[] =>
  Object.entries({
    "cut by its last character": `Bearer ${token.slice(0, -1)}`,
    "cut by its first character": `Bearer ${token.slice(1)}`,
    "its first half": `Bearer ${token.slice(0, token.length / 2)}`,
    "with one more character": `Bearer ${token}x`,
    "with one other character": `Bearer ${token.slice(0, -1)}${token.endsWith("#") ? "!" : "#"}`,
    "twice over": `Bearer ${token}${token}`,
    "in the other case": `Bearer ${swapCase(token)}`,
    reversed: `Bearer ${[...token].reverse().join("")}`,
    "after two spaces": `Bearer  ${token}`,
    "after a tab": `Bearer\t${token}`,
    "with no scheme": token,
    "with a scheme nobody knows": `Token ${token}`,
    "with a colon for a space": `Bearer:${token}`,
    "in quotes": `Bearer "${token}"`,
    "with its name": `Bearer token=${token}`,
    "percent-encoded": `Bearer ${[...Buffer.from(token)].map((byte) => `%${byte.toString(16)}`).join("")}`,
    "in base64 as Bearer": `Bearer ${base64(token)}`,
    "in the clear as Basic": `Basic ${token}`,
    "in hex as Basic": `Basic ${Buffer.from(token).toString("hex")}`,
    "in base64 twice": `Basic ${base64(base64(token))}`,
    "in base64 with a user": `Basic ${base64(`user:${token}`)}`,
    "in base64 as a user": `Basic ${base64(`${token}:`)}`,
    "in base64 with a newline": `Basic ${base64(`${token}\n`)}`,
    "in base64, cut": `Basic ${base64(token).replace(/=+$/, "").slice(0, -1)}`,
    "in base64 with rubbish in it": `Basic ${base64(token).slice(0, 4)}*${base64(token).slice(4)}`,
    "in base64 and a comma": `Basic ${base64(token)},`,
    "its hash": `Bearer ${sha256(token)}`,
    "its hash as it is in the file": `Bearer sha256:${sha256(token)}`,
    "its hash in base64": `Basic ${base64(sha256(token))}`,
  })
    .map(([what, value]): WrongToken => ({ name: `a token ${what}`, authorization: [value] }))
    .concat(
      [0, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21].map((n) => ({
        name: `a token with another character ${n}`,
        authorization: [`Bearer ${token.slice(0, n)}${token[n] === "z" ? "y" : "z"}${token.slice(n + 1)}`],
      })),
    )
    .concat([
      { name: "a token, said twice", authorization: [`Bearer ${token}`, `Bearer ${token}`] },
      { name: "a token after a wrong one", authorization: ["Bearer wrong", `Bearer ${token}`] },
    ]);

const swapCase = (text: string): string =>
  [...text].map((one) => (one === one.toUpperCase() ? one.toLowerCase() : one.toUpperCase())).join("");
