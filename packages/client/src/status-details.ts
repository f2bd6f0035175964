/**
 * `grpc-status-details-bin`: a `google.rpc.Status` whose details are `Any`s. We read the few fields of
 * google/rpc/error_details.proto that we know how to use, and skip the rest, whatever it is.
 */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import type { FieldViolation } from "./client-error.ts";

export interface StatusDetails {
  /** ErrorInfo.reason */
  readonly reason: string | undefined;
  /** ErrorInfo.metadata */
  readonly metadata: Readonly<Record<string, string>>;
  /** BadRequest.field_violations */
  readonly violations: readonly FieldViolation[];
  /** First Help.Link.description */
  readonly hint: string | undefined;
  /** RetryInfo.retry_delay */
  readonly retryAfterMs: number | undefined;
}

const EMPTY: StatusDetails = {
  reason: undefined,
  metadata: {},
  violations: [],
  hint: undefined,
  retryAfterMs: undefined,
};

/** Never throws: details that cannot be read are as good as none. */
export const parseStatusDetails = (bytes: Uint8Array): StatusDetails => {
  try {
    return readStatus(bytes);
  } catch {
    // A proxy or another server may put anything here; the plain status still tells what happened.
    return EMPTY;
  }
};

const readStatus = (bytes: Uint8Array): StatusDetails => {
  let details = EMPTY;
  for (const any of nested(bytes, 3)) {
    const type = first(texts(any, 1)) ?? "";
    const value = first(nested(any, 2));
    if (value === undefined) continue;
    if (type.endsWith("/google.rpc.ErrorInfo")) {
      details = { ...details, reason: first(texts(value, 1)), metadata: textMap(value, 3) };
    } else if (type.endsWith("/google.rpc.BadRequest")) {
      details = { ...details, violations: nested(value, 1).map(violationOf) };
    } else if (type.endsWith("/google.rpc.Help")) {
      const link = first(nested(value, 1));
      details = { ...details, hint: link && first(texts(link, 1)) };
    } else if (type.endsWith("/google.rpc.RetryInfo")) {
      const delay = first(nested(value, 1));
      details = { ...details, retryAfterMs: delay && millisecondsOf(delay) };
    }
  }
  return details;
};

const violationOf = (violation: Uint8Array): FieldViolation => ({
  field: first(texts(violation, 1)) ?? "",
  description: first(texts(violation, 2)) ?? "",
});

/** Of a google.protobuf.Duration: seconds, and nanoseconds beside them. */
const millisecondsOf = (duration: Uint8Array): number => {
  let milliseconds = 0;
  const reader = new BinaryReader(duration);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (number === 1 && type === WireType.Varint) milliseconds += Number(reader.int64()) * 1000;
    else if (number === 2 && type === WireType.Varint) milliseconds += reader.int32() / 1e6;
    else reader.skip(type, number);
  }
  return milliseconds;
};

/** The length-delimited fields of `message` with that number. */
const nested = (message: Uint8Array, wanted: number): readonly Uint8Array[] => {
  const found: Uint8Array[] = [];
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (number === wanted && type === WireType.LengthDelimited) found.push(reader.bytes());
    else reader.skip(type, number);
  }
  return found;
};

const texts = (message: Uint8Array, wanted: number): readonly string[] =>
  nested(message, wanted).map((bytes) => new TextDecoder().decode(bytes));

const textMap = (message: Uint8Array, wanted: number): Record<string, string> =>
  Object.fromEntries(
    nested(message, wanted).map((entry) => [first(texts(entry, 1)) ?? "", first(texts(entry, 2)) ?? ""]),
  );

const first = <T>(items: readonly T[]): T | undefined => items[0];
