import { expect, test } from "vitest";
import { parseCopyArgument } from "./copy-argument.ts";
import { placeOf } from "./place.ts";

const file = { name: "f", isDirectory: false, isContentOnly: false };
const directory = { name: "d", isDirectory: true, isContentOnly: false };
const content = { ...directory, isContentOnly: true };
const to = (kind: "directory" | "other" | "missing", path = "/a/b", truePath = path) => ({
  kind,
  path,
  truePath,
});

test("into a directory that is there, under its own name, or as its content", () => {
  expect(placeOf(file, to("directory"))).toEqual({ directory: "/a/b", name: "f" });
  expect(placeOf(directory, to("directory", "/a/b/"))).toEqual({ directory: "/a/b/", name: "d" });
  expect(placeOf(content, to("directory"))).toEqual({ directory: "/a/b", name: "" });
});

test("under a new name, in a directory that must be there", () => {
  for (const source of [file, directory, content]) {
    expect(placeOf(source, to("missing"))).toEqual({ directory: "/a/", name: "b" });
  }
  expect(placeOf(directory, to("missing", "new/"))).toEqual({ directory: ".", name: "new" });
  expect(placeOf(file, to("missing", "new"))).toEqual({ directory: ".", name: "new" });
  expect(() => placeOf(file, to("missing", "/a/b/"))).toThrow("is not there");
});

test("onto a file, where its symlink leads; a directory never", () => {
  expect(placeOf(file, to("other", "/a/b", "/c/d"))).toEqual({ directory: "/c/", name: "d" });
  expect(() => placeOf(file, to("other", "/a/b/"))).toThrow("not a directory");
  expect(() => placeOf(directory, to("other"))).toThrow("cannot be copied onto it");
  expect(() => placeOf(content, to("other"))).toThrow("cannot be copied onto it");
});

test("what comes before the first colon is a microVM, unless it is a path", () => {
  expect(parseCopyArgument("-")).toEqual({ kind: "stream" });
  expect(parseCopyArgument("web:/etc/x:y")).toEqual({ kind: "guest", target: "web", path: "/etc/x:y" });
  expect(parseCopyArgument("web:etc")).toEqual({ kind: "guest", target: "web", path: "/etc" });
  for (const path of ["file", "./web:/x", "/a:b", "../a:b", "a/b:c", ":x"]) {
    expect(parseCopyArgument(path)).toEqual({ kind: "host", path });
  }
  expect(() => parseCopyArgument("web:")).toThrow("no path");
  expect(() => parseCopyArgument("")).toThrow("empty");
});
