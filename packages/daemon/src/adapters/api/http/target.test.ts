import { expect, test } from "vitest";
import { parseTarget } from "./target.ts";

test("a path is decoded before it is split", () => {
  expect(parseTarget("/a/b%2Fc/d%3Await?x=%zz#y")).toEqual({
    components: ["a", "b", "c", "d:wait"],
    query: "x=%zz",
  });
  expect(parseTarget("/")).toEqual({ components: [""], query: "" });
  expect(parseTarget("http://host:80/a?")).toEqual({ components: ["a"], query: "" });
});

test("what is no path, or no UTF-8, is nothing", () => {
  for (const target of ["*", "a/b", "", "host:443", "/%zz", "/%ff"])
    expect(parseTarget(target)).toBeUndefined();
});
