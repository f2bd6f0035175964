import { expect, test } from "vitest";
import { normalisePath } from "./derived.ts";

test("spellings of one path are one file", () => {
  for (const path of ["boot/vmlinuz", "/boot/vmlinuz", "./boot//vmlinuz", "boot/./vmlinuz"]) {
    expect(normalisePath(path)).toBe("boot/vmlinuz");
  }
});

test.each(["", "/", ".", "..", "../x", "boot/../../x", "a\0b", "x".repeat(5000)])(
  "%.30j is refused",
  (path) => {
    expect(() => normalisePath(path)).toThrow(/filename/);
  },
);
