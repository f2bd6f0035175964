import { expect, test } from "vitest";
import { grpcTimeoutMs } from "./grpc-timeout.ts";

test("each unit is milliseconds, and never more than a timer can hold", () => {
  expect(["2H", "3M", "4S", "5m", "6000u"].map(grpcTimeoutMs)).toEqual([7_200_000, 180_000, 4_000, 5, 6]);
  expect(grpcTimeoutMs("99999999H")).toBe(2 ** 31 - 1);
  expect(grpcTimeoutMs("123456789S")).toBe(2 ** 31 - 1);
  expect(grpcTimeoutMs("+5S")).toBe(5_000);
  expect(grpcTimeoutMs("-5S")).toBe(0);
});

test("none, an empty one and zero are no limit", () => {
  for (const text of [undefined, "", "0S"]) expect(grpcTimeoutMs(text)).toBeUndefined();
});

test("anything else is refused", () => {
  for (const text of ["1", "m", "1x", "1.5m", "1234567890123456789m", "1m "])
    expect(() => grpcTimeoutMs(text)).toThrow();
});
