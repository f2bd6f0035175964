import { expect, test } from "vitest";
import { roomOf } from "./room.ts";

const HOST = { maxVcpu: 64, hostMemoryMib: 4000 };

test("processors have some places to spare, memory what the host has, in whole steps", () => {
  expect(roomOf({ vcpu: 1, memoryMib: 512 }, HOST)).toEqual({
    vcpu: 8,
    memoryMib: 512 + 27 * 128,
    memoryStepMib: 128,
  });
  expect(roomOf({ vcpu: 4, memoryMib: 200 }, HOST)).toMatchObject({ vcpu: 16, memoryMib: 200 + 29 * 128 });
});

test("no more than can be, and never less than it begins with", () => {
  expect(roomOf({ vcpu: 32, memoryMib: 8192 }, HOST)).toMatchObject({ vcpu: 64, memoryMib: 8192 });
});
