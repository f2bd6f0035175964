import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { expect, test } from "vitest";
import { parseStatusDetails } from "./status-details.ts";

const message = (build: (writer: BinaryWriter) => void): Uint8Array => {
  const writer = new BinaryWriter();
  build(writer);
  return writer.finish();
};
const text = (writer: BinaryWriter, field: number, value: string) => writer.tag(field, 2).string(value);
const bytes = (writer: BinaryWriter, field: number, value: Uint8Array) => writer.tag(field, 2).bytes(value);
const any = (type: string, value: Uint8Array) =>
  message((w) => {
    text(w, 1, `type.googleapis.com/${type}`);
    bytes(w, 2, value);
  });

test("reason, metadata, field and hint are read from the details", () => {
  const status = message((w) => {
    w.tag(1, 0).int32(3);
    text(w, 2, "microvm.vcpu: must be 1 to 64");
    bytes(
      w,
      3,
      any(
        "google.rpc.ErrorInfo",
        message((info) => {
          text(info, 1, "invalid_spec");
          text(info, 2, "flintlock");
          bytes(
            info,
            3,
            message((entry) => {
              text(entry, 1, "boot");
              text(entry, 2, "init");
            }),
          );
        }),
      ),
    );
    bytes(
      w,
      3,
      any(
        "google.rpc.BadRequest",
        message((bad) =>
          bytes(
            bad,
            1,
            message((v) => {
              text(v, 1, "vcpu");
              text(v, 2, "must be 1 to 64");
            }),
          ),
        ),
      ),
    );
    bytes(
      w,
      3,
      any(
        "google.rpc.Help",
        message((help) =>
          bytes(
            help,
            1,
            message((l) => text(l, 1, "ask for less")),
          ),
        ),
      ),
    );
    bytes(
      w,
      3,
      any(
        "google.rpc.RetryInfo",
        message((retry) =>
          bytes(
            retry,
            1,
            message((delay) => {
              delay.tag(1, 0).int64(1);
              delay.tag(2, 0).int32(500_000_000);
            }),
          ),
        ),
      ),
    );
    bytes(
      w,
      3,
      any(
        "google.rpc.RequestInfo",
        message((r) => text(r, 1, "ignored")),
      ),
    );
  });
  expect(parseStatusDetails(status)).toEqual({
    reason: "invalid_spec",
    metadata: { boot: "init" },
    violations: [{ field: "vcpu", description: "must be 1 to 64" }],
    hint: "ask for less",
    retryAfterMs: 1500,
  });
});

test("bytes that are no status read as no details", () => {
  for (const junk of [[0xff], [0x1a, 0x7f], [0x1a, 0x02, 0xff, 0xff], []]) {
    expect(parseStatusDetails(Uint8Array.from(junk)).reason).toBeUndefined();
  }
});
