import { expect, test } from "vitest";
import { parseForm } from "./form.ts";

const entries = (text: string): unknown => [...parseForm(text, "query")];

test("names and values are decoded, and a name may have none", () => {
  expect(entries("a=b+c&d=%C3%BC&&e&f==&%61=2")).toEqual([
    ["a", "b c"],
    ["d", "ü"],
    ["e", ""],
    ["f", "="],
    ["a", "2"],
  ]);
  expect(entries("")).toEqual([]);
});

test("what Go refuses is refused", () => {
  for (const text of ["a;b", "a=1;b=2", "a=%zz", "%=1", "a=%ff"]) {
    expect(() => entries(text)).toThrow("query: must");
  }
});
