import {
  ERROR_CODES,
  type ErrorCode,
  FlintlockError,
  invalidField,
  type LogFields,
  silentLog,
} from "@flintlock/core";
import { expect, test } from "vitest";
import { MEANINGS, statusOf } from "./errors.ts";
import { detailToJson, statusToBinary } from "./schema/rpc-status.ts";

const status = (error: unknown) => statusOf(error, silentLog, "/x/Y");

test("each code has its gRPC status", () => {
  const codes = Object.keys(ERROR_CODES).map((code) => [
    code,
    status(new FlintlockError(code as ErrorCode, "m")).code,
  ]);
  expect(Object.fromEntries(codes)).toEqual({
    invalid_spec: 3,
    not_found: 5,
    already_exists: 6,
    conflict: 10,
    failed_precondition: 9,
    unauthenticated: 16,
    permission_denied: 7,
    unsupported: 12,
    exhausted: 8,
    unavailable: 14,
    deadline_exceeded: 4,
    canceled: 1,
    out_of_range: 11,
    data_loss: 15,
    provider_failed: 13,
    internal: 13,
  });
});

test("field, reason, hint and retry time are details", () => {
  const details = status(invalidField("interfaces[1].device_id", "is taken")).details;
  expect(details).toEqual([
    {
      kind: "BadRequest",
      violations: [{ field: "interfaces[1].device_id", description: "is taken" }],
    },
    { kind: "ErrorInfo", reason: "invalid_spec", domain: "flintlock", metadata: {} },
  ]);
  const options = { hint: "Wait.", detail: { limit: 4 } };
  expect(status(new FlintlockError("exhausted", "no memory", options)).details).toEqual([
    { kind: "ErrorInfo", reason: "exhausted", domain: "flintlock", metadata: { hint: "Wait.", limit: "4" } },
    { kind: "RetryInfo", retryMs: 5_000 },
  ]);
});

test("every violation is told, within what a trailer may hold", () => {
  const violations = Array.from({ length: 32 }, (_, n) => ({ field: `f${n}`, problem: "x".repeat(60) }));
  const [first] = status(new FlintlockError("invalid_spec", "m", { violations })).details;
  expect(first).toMatchObject({ kind: "BadRequest", violations: { length: 32 } });
  const long = violations.map(({ field }) => ({ field, problem: "x".repeat(10_000) }));
  const bounded = status(new FlintlockError("invalid_spec", "m".repeat(10_000), { violations: long }));
  expect(statusToBinary(bounded).byteLength).toBeLessThan(6_000);
});

test("every code says what it means", () => {
  for (const meaning of Object.values(ERROR_CODES)) expect(meaning.length).toBeGreaterThan(10);
  expect(Object.keys(MEANINGS).sort()).toEqual(Object.keys(ERROR_CODES).sort());
});

test("an error that is not ours is told by a reference that the log explains", () => {
  const logged: LogFields[] = [];
  const log = { ...silentLog, error: (_: string, fields?: LogFields) => void logged.push(fields ?? {}) };
  const { message, details } = statusOf(new TypeError("/host/path is bad"), log, "/x/Y");
  expect(message).not.toContain("/host/path");
  expect(message).toContain(String(logged[0]?.["incident"]));
  expect(JSON.stringify(logged)).toContain("/host/path");
  expect(details).toEqual([]);
});

test("texts are bounded and well-formed", () => {
  const { message, details } = status(
    new FlintlockError("unavailable", `\udc00${"x".repeat(10_000)}`, { hint: "h".repeat(10_000) }),
  );
  expect(() => encodeURI(message)).not.toThrow();
  expect(message.length).toBeLessThan(2_000);
  expect(statusToBinary({ code: 14, message, details }).byteLength).toBeLessThan(4_096);
});

test("the wire form is google.rpc.Status, byte by byte", () => {
  const bytes = statusToBinary({
    code: 3,
    message: "m",
    details: [
      { kind: "BadRequest", violations: [{ field: "f", description: "d" }] },
      { kind: "RetryInfo", retryMs: 1_500 },
    ],
  });
  const url = (name: string): number[] => {
    const text = [...Buffer.from(`type.googleapis.com/google.rpc.${name}`)];
    return [0x0a, text.length, ...text];
  };
  const any = (name: string, value: number[]): number[] => {
    const body = [...url(name), 0x12, value.length, ...value];
    return [0x1a, body.length, ...body];
  };
  expect([...bytes]).toEqual([
    0x08,
    3,
    0x12,
    1,
    0x6d,
    ...any("BadRequest", [0x0a, 6, 0x0a, 1, 0x66, 0x12, 1, 0x64]),
    ...any("RetryInfo", [0x0a, 8, 0x08, 1, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01]),
  ]);
});

test("the JSON form is that of an Any", () => {
  const retry = detailToJson({ kind: "RetryInfo", retryMs: 100 });
  expect(retry).toEqual({ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "0.1s" });
  const info = { kind: "ErrorInfo", reason: "r", domain: "d", metadata: { a: "b" } } as const;
  expect(detailToJson(info)).toMatchObject({ reason: "r", metadata: { a: "b" } });
});
