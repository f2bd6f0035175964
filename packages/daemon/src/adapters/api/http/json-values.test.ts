import { types } from "@flintlock/api";
import { expect, test } from "vitest";
import { refuseMisread } from "./json-values.ts";

const check = (json: unknown) => () => refuseMisread(types.MicroVMSpecSchema, json);

test("a name that the enum lacks is refused with its place and the names there are", () => {
  expect(check({ interfaces: [{ type: "TAP" }, { type: "BOGUS" }] })).toThrow(
    'interfaces[1].type: "BOGUS" is not one of MACVTAP, TAP',
  );
});

test("a number in a string is one of JSON's, not of JavaScript's", () => {
  for (const vcpu of ["2", "-2", "2.0", "2e0"]) expect(check({ vcpu })).not.toThrow();
  for (const vcpu of ["0x2", " 2", "+2", "02", "1_0", "", "Infinity"]) {
    expect(check({ vcpu })).toThrow("is not a number");
  }
});

test("known names, numbers, other spellings of fields and unknown fields pass", () => {
  expect(
    check({ interfaces: [{ type: "TAP" }, { type: 1 }], additionalVolumes: null, nonsense: [1] }),
  ).not.toThrow();
  expect(check(null)).not.toThrow();
});
