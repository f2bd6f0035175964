import { expect, test } from "vitest";
import { cmdlineText, kernelParameters, lastValues, parseWholeCmdline } from "./kernel-cmdline.ts";

const pairs = (text: string): unknown => kernelParameters(text).map(({ key, value }) => [key, value]);

test("repeated keys and their order are kept", () => {
  expect(pairs("console=tty0 quiet console=ttyS0  b=1 a=2")).toEqual([
    ["console", "tty0"],
    ["quiet", undefined],
    ["console", "ttyS0"],
    ["b", "1"],
    ["a", "2"],
  ]);
});

test.each<[string, readonly (readonly [string, string | undefined])[]]>([
  ["", []],
  ["   ", []],
  [
    'dyndbg="file a.c +p" x',
    [
      ["dyndbg", "file a.c +p"],
      ["x", undefined],
    ],
  ],
  ['"dyndbg=file a.c +p"', [["dyndbg", "file a.c +p"]]],
  ['a=b"c d"e', [["a", 'b"c d"e']]],
  [
    "empty= bare",
    [
      ["empty", ""],
      ["bare", undefined],
    ],
  ],
  [
    "ds=nocloud-net;s=http://169.254.169.254/latest/",
    [["ds", "nocloud-net;s=http://169.254.169.254/latest/"]],
  ],
  ["a=1 -- b=2 --c", [["a", "1"]]],
  [
    "a--b --x",
    [
      ["a--b", undefined],
      ["--x", undefined],
    ],
  ],
  ["=x", [["=x", undefined]]],
])("%j is read as the kernel reads it", (text, parameters) => {
  expect(pairs(text)).toEqual(parameters);
});

test("the last value of a key counts, and no key is special", () => {
  expect(lastValues(kernelParameters("a=1 __proto__=x a=2 b"))).toEqual(
    Object.fromEntries([
      ["a", "2"],
      ["__proto__", "x"],
      ["b", ""],
    ]),
  );
});

test("text from values is read back as these values", () => {
  const values = { console: "ttyS0", quiet: "", dyndbg: "file a.c +p" };
  expect(cmdlineText(values)).toBe('console=ttyS0 quiet dyndbg="file a.c +p"');
  expect(lastValues(kernelParameters(cmdlineText(values)))).toEqual(values);
});

test.each(["a\nb", "a\tb", "\u00e9", "a\0", 'a="b c', "x".repeat(101)])("%j is refused", (text) => {
  expect(() => parseWholeCmdline(text, "kernel.cmdline", 100)).toThrow(/^kernel\.cmdline: /);
});

test("what is accepted is kept to the letter", () => {
  const text = '  console=tty0  console=ttyS0 a="b  c" -- single ';
  expect(parseWholeCmdline(text, "kernel.cmdline", 100)).toBe(text);
});
