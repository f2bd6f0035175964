import { expect, test } from "vitest";
import { parseGuestPath } from "./copy-rules.ts";

test("a guest's path is absolute, fits its kernel, and may have any other character", () => {
  for (const path of ["/", "/etc/../x", '/a b\n"ü', `/${"x".repeat(4094)}`]) {
    expect(parseGuestPath(path, "path")).toBe(path);
  }
  for (const path of ["", "etc", "./etc", "/a\0b", `/${"x".repeat(4095)}`, `/${"ü".repeat(2048)}`]) {
    expect(() => parseGuestPath(path, "path")).toThrow(
      "path: must be an absolute path of at most 4095 bytes",
    );
  }
});
