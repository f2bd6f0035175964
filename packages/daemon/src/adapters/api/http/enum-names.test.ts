import { types } from "@flintlock/api";
import { expect, test } from "vitest";
import { refuseUnknownEnums } from "./enum-names.ts";

const check = (json: unknown) => () => refuseUnknownEnums(types.MicroVMSpecSchema, json);

test("a name that the enum lacks is refused with its place and the names there are", () => {
  expect(check({ interfaces: [{ type: "TAP" }, { type: "BOGUS" }] })).toThrow(
    'interfaces[1].type: "BOGUS" is not one of MACVTAP, TAP',
  );
});

test("known names, numbers, other spellings of fields and unknown fields pass", () => {
  expect(
    check({ interfaces: [{ type: "TAP" }, { type: 1 }], additionalVolumes: null, nonsense: [1] }),
  ).not.toThrow();
  expect(check(null)).not.toThrow();
});
