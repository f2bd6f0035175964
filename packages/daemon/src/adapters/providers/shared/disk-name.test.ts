import { expect, test } from "vitest";
import { diskName } from "./disk-name.ts";

test("disks are named as the guest's kernel names them, also those after the alphabet", () => {
  expect([0, 1, 25, 26, 27, 51, 52].map(diskName)).toEqual([
    "vda",
    "vdb",
    "vdz",
    "vdaa",
    "vdab",
    "vdaz",
    "vdba",
  ]);
});
