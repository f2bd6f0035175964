import { expect, test } from "vitest";
import { completedCmdline, kernelCmdline } from "./cmdline.ts";

test("defaults come first, then the VM's keys in their order", () => {
  expect(kernelCmdline({ console: "ttyS0", quiet: "" }, { b: "2", a: "1" })).toBe(
    "console=ttyS0 quiet b=2 a=1",
  );
});

test("a key of the VM takes the default's place", () => {
  expect(kernelCmdline({ console: "ttyS0", panic: "-1" }, { panic: "5", console: "" })).toBe(
    "panic=5 console",
  );
});

test("a value with spaces is quoted as the kernel wants it", () => {
  expect(kernelCmdline({}, { dyndbg: "file a.c +p" })).toBe('dyndbg="file a.c +p"');
});

test("what the kernel could not read back is refused by the field's name", () => {
  for (const own of [
    { "": "1" },
    { "a b": "1" },
    { "a=b": "1" },
    { a: 'x"y' },
    { a: "x\ny" },
    { "a\0": "" },
  ]) {
    expect(() => kernelCmdline({}, own)).toThrow(/^kernel\.cmdline: /);
  }
});

test("the longest line is 2047 bytes, counted in UTF-8", () => {
  expect(kernelCmdline({}, { a: "x".repeat(2045) })).toHaveLength(2047);
  expect(() => kernelCmdline({}, { a: "x".repeat(2046) })).toThrow("kernel.cmdline: is 2048 bytes");
  expect(() => kernelCmdline({}, { a: "é".repeat(1023) })).toThrow("kernel.cmdline");
});

test("a whole line stays as it is, behind what the machine cannot do without", () => {
  const needed = { root: "/dev/vda", rw: "" };
  expect(completedCmdline(needed, "console=tty0  console=ttyS0 -- x")).toBe(
    "root=/dev/vda rw console=tty0  console=ttyS0 -- x",
  );
  expect(completedCmdline(needed, "root=/dev/vdb1 quiet")).toBe("rw root=/dev/vdb1 quiet");
  expect(() => completedCmdline(needed, "x".repeat(2040))).toThrow("kernel.cmdline: is 2057 bytes");
});
