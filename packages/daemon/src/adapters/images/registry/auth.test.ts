import { expect, test } from "vitest";
import { parseTokenAnswer } from "./auth.ts";

const parse = (value: unknown) => parseTokenAnswer(Buffer.from(JSON.stringify(value)));

test("a token has either name and lives a minute at least and a day at most", () => {
  expect(parse({ token: "a", expires_in: 300 })).toEqual({ token: "a", lifeSeconds: 300 });
  expect(parse({ access_token: "b" })).toEqual({ token: "b", lifeSeconds: 60 });
  expect(parse({ token: "a", access_token: "b", expires_in: 1 })).toEqual({ token: "a", lifeSeconds: 60 });
  expect(parse({ token: "a", expires_in: 1e12 }).lifeSeconds).toBe(86_400);
});

test.each([[{}], [{ token: "" }], [{ token: "two words" }], [{ token: "a\r\nx: y" }], [{ token: 7 }], [[]]])(
  "%j has no usable token",
  (value) => {
    expect(() => parse(value)).toThrow(/token/);
  },
);
