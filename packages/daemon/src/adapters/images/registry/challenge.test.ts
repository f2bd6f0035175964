import { expect, test } from "vitest";
import { parseChallenges } from "./challenge.ts";

const read = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

test("a bearer challenge gives its parameters, commas in quotes included", () => {
  expect(
    read('Bearer realm="https://auth.example/token",service="r.example",scope="repository:a/b:pull,push"'),
  ).toEqual([
    [
      "bearer",
      { realm: "https://auth.example/token", service: "r.example", scope: "repository:a/b:pull,push" },
    ],
  ]);
});

test("several challenges in one header stay apart", () => {
  expect(read('Negotiate, Basic realm="a \\"b\\"" , BEARER Realm=x , Service = y')).toEqual([
    ["negotiate", {}],
    ["basic", { realm: 'a "b"' }],
    ["bearer", { realm: "x", service: "y" }],
  ]);
});

test.each(["", ",,,", "=x", 'Bearer realm="unterminated', "Bearer realm=", "\u0001", '"'.repeat(100_000)])(
  "%.40j does not throw",
  (header) => {
    for (const { parameters } of parseChallenges(header)) expect(parameters.size).toBe(0);
  },
);
