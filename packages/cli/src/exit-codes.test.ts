import { CLIENT_ERROR_CODES } from "@flintlock/client";
import { expect, test } from "vitest";
import { EXIT_BY_CODE, exitCodeOf, exitCodeOfSignal } from "./exit-codes.ts";

test("the documented codes do not move", () => {
  expect(EXIT_BY_CODE).toEqual({
    invalid_spec: 2,
    not_found: 3,
    already_exists: 4,
    conflict: 4,
    failed_precondition: 5,
    unauthenticated: 6,
    permission_denied: 6,
    unavailable: 7,
    deadline_exceeded: 8,
    exhausted: 9,
    unsupported: 10,
    out_of_range: 4,
    data_loss: 13,
    canceled: 130,
    provider_failed: 1,
    internal: 1,
  });
});

test("every code of the daemon has one, and a stranger's is unexpected", () => {
  expect(CLIENT_ERROR_CODES.every((code) => exitCodeOf(code) > 0)).toBe(true);
  expect(exitCodeOf("toString")).toBe(1);
});

test("signals count from 128", () => {
  expect(["HUP", "INT", "QUIT", "TERM"].map(exitCodeOfSignal)).toEqual([129, 130, 131, 143]);
});
