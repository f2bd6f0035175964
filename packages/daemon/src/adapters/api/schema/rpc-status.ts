/** `google.rpc.Status` and the standard error details (google/rpc/status.proto, error_details.proto). */
import { fromJson, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { describe } from "./describe.ts";

const file = describe({
  name: "flintlock/google-rpc.proto",
  package: "google.rpc",
  messages: {
    Status: ["1 int32 code", "2 string message", "3 repeated .google.rpc.Detail details"],
    // google.protobuf.Any, under a name of ours so that its JSON form is that of an ordinary message
    Detail: ["1 string type_url", "2 bytes value"],
    BadRequest: ["1 repeated .google.rpc.FieldViolation field_violations"],
    // Nested in BadRequest as published; the wire does not know
    FieldViolation: ["1 string field", "2 string description"],
    ErrorInfo: ["1 string reason", "2 string domain", "3 repeated .google.rpc.MetadataEntry metadata"],
    // A map entry, spelled out: the same bytes
    MetadataEntry: ["1 string key", "2 string value"],
    RetryInfo: ["1 .google.rpc.Delay retry_delay"],
    // google.protobuf.Duration, likewise
    Delay: ["1 int64 seconds", "2 int32 nanos"],
  },
});

const TYPE_URL = "type.googleapis.com/google.rpc.";

export interface Status {
  readonly code: number;
  readonly message: string;
  readonly details: readonly StatusDetail[];
}

export type StatusDetail =
  | {
      readonly kind: "BadRequest";
      readonly violations: readonly { readonly field: string; readonly description: string }[];
    }
  | {
      readonly kind: "ErrorInfo";
      readonly reason: string;
      readonly domain: string;
      readonly metadata: Readonly<Record<string, string>>;
    }
  | { readonly kind: "RetryInfo"; readonly retryMs: number };

/** The bytes of `grpc-status-details-bin`. */
export const statusToBinary = (status: Status): Uint8Array =>
  encode("Status", {
    code: status.code,
    message: status.message,
    details: status.details.map((detail) => ({
      typeUrl: TYPE_URL + detail.kind,
      value: Buffer.from(encode(detail.kind, wireFields(detail))).toString("base64"),
    })),
  });

/** A detail as protojson writes an `Any` of it. */
export const detailToJson = (detail: StatusDetail): JsonObject => {
  const type = { "@type": TYPE_URL + detail.kind };
  if (detail.kind === "RetryInfo") return { ...type, retryDelay: `${detail.retryMs / MS_PER_SECOND}s` };
  if (detail.kind === "BadRequest") return { ...type, ...wireFields(detail) };
  return { ...type, reason: detail.reason, domain: detail.domain, metadata: { ...detail.metadata } };
};

const MS_PER_SECOND = 1000;
const NANOS_PER_MS = 1_000_000;

const wireFields = (detail: StatusDetail): JsonObject => {
  switch (detail.kind) {
    case "BadRequest":
      return {
        fieldViolations: detail.violations.map(({ field, description }) => ({ field, description })),
      };
    case "ErrorInfo": {
      const metadata = Object.entries(detail.metadata).map(([key, value]) => ({ key, value }));
      return { reason: detail.reason, domain: detail.domain, metadata };
    }
    case "RetryInfo": {
      const seconds = Math.floor(detail.retryMs / MS_PER_SECOND);
      const nanos = (detail.retryMs % MS_PER_SECOND) * NANOS_PER_MS;
      return { retryDelay: { seconds: String(seconds), nanos } };
    }
  }
};

const encode = (name: string, json: JsonObject): Uint8Array => {
  const desc = file.message(`google.rpc.${name}`);
  return toBinary(desc, fromJson(desc, json));
};
