import { expect, test } from "vitest";
import { headerToken } from "./header-token.ts";

const TOKEN = "s3cret-token-of-ci";
const base64 = (text: string): string => Buffer.from(text).toString("base64");
const tokenIn = (header: string | undefined): string | undefined => headerToken(header)?.toString();

test("a token comes as Basic, in base64 with or without padding, or as Bearer; the scheme in any case", () => {
  for (const token of [TOKEN, `${TOKEN}1`, `${TOKEN}12`]) {
    const encoded = base64(token);
    const headers = [`Basic ${encoded}`, `bAsIc ${encoded.replace(/=+$/, "")}`, `BEARER ${token}`];
    expect(headers.map(tokenIn)).toEqual([token, token, token]);
  }
});

test("what is not base64 as it is written is no token, though Node would decode it", () => {
  const encoded = base64(`${TOKEN}1`);
  const wrong = [
    "",
    " ",
    "=",
    "*",
    `${encoded} `,
    ` ${encoded}`,
    `${encoded}!`,
    `${encoded}\n`,
    `${encoded}==`,
  ];
  // The last character has bits to spare: another one would decode to the same
  const twin = `${base64("ab").slice(0, 2)}J=`;
  expect(Buffer.from(twin, "base64").toString()).toBe("ab");
  for (const text of [...wrong, twin, "YWJjZA_-", "YWJjZ"]) {
    expect([text, tokenIn(`Basic ${text}`)]).toEqual([text, undefined]);
  }
  expect(tokenIn("Bearer ")).toBeUndefined();
  // Not cut to fit: a token is what was sent
  expect(tokenIn(`Bearer  ${TOKEN}`)).toBe(` ${TOKEN}`);
});

test("errors are in upstream's words", () => {
  const prefix = "could not extract token from request header: rpc error: code = Unauthenticated desc = ";
  const absent = `${prefix}Request unauthenticated with basic`;
  const malformed = `${prefix}Bad authorization string`;
  for (const header of [undefined, "", "Digest abc", "Token x", " Basic x"])
    expect(() => headerToken(header)).toThrow(absent);
  for (const header of ["Basic", "Bearer", TOKEN, "x".repeat(9_000)])
    expect(() => headerToken(header)).toThrow(malformed);
});
