import { SIMULATED_LIMITS, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import { parseSpec } from "./spec-rules.ts";

const kernelOf = (wholeCmdline: string) => {
  const kernel = {
    image: "example.test/k:1",
    filename: "",
    cmdline: {},
    wholeCmdline,
    addNetworkConfig: false,
  };
  return parseSpec(wireInput({ kernel }), SIMULATED_LIMITS).kernel;
};

test("a whole command line is kept to the letter, and read for what the guest's configuration needs", () => {
  const whole = "console=tty0 console=ttyS0 init=/bin/sh -- -c ls";
  expect(kernelOf(whole)).toMatchObject({
    wholeCmdline: whole,
    cmdline: { console: "ttyS0", init: "/bin/sh" },
  });
});

test("an empty one is none: the defaults are used", () => {
  expect(kernelOf("").wholeCmdline).toBeUndefined();
  expect(kernelOf("").cmdline).toEqual({});
});

test.each(["a=1\nb=2", 'a="b', "x".repeat(1801)])("%j is refused by the field's name", (text) => {
  expect(() => kernelOf(text)).toThrow(/^kernel\.cmdline: /);
});
