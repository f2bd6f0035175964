import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ext, types, wire } from "@flintlock/api";
import fc from "fast-check";
import { expect, test } from "vitest";
import { compileEncoder } from "./compiled-encoder.ts";
import { wireExtended } from "./convert/extension.ts";
import { sampleMicroVM } from "./testing/sample-microvm.ts";

const encode = compileEncoder(ext.MicroVMSchema);

test("a full record has the very bytes that protobuf-es writes", () => {
  const message = wireExtended(sampleMicroVM());
  expect(Buffer.from(encode(message))).toEqual(Buffer.from(toBinary(ext.MicroVMSchema, message)));
});

test("so has any other, whatever its strings, numbers and sizes", () => {
  const text = fc.string({ unit: "binary", maxLength: 120 });
  const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
  const record = fc.record({
    version: int32,
    map: fc.dictionary(
      text.filter((key) => key !== "__proto__"),
      text,
    ),
    state: int32,
    uid: fc.option(text, { nil: undefined }),
    size: fc.option(int32, { nil: undefined }),
    flag: fc.boolean(),
    seconds: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    port: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    ms: fc.double(),
    list: fc.array(text),
  });
  fc.assert(
    fc.property(record, ({ version, map, state, uid, size, flag, seconds, port, ms, list }) => {
      const message = create(ext.MicroVMSchema, {
        microvm: {
          version,
          spec: {
            labels: map,
            uid,
            allowGuestAgent: flag,
            createdAt: { seconds, nanos: 1 },
            additionalVolumes: list.map((id) => ({ id, sizeInMb: size, source: {} })),
            kernel: { cmdline: map },
          },
          status: { state: state as types.MicroVMStatus_MicroVMState, volumes: { a: {}, b: { mount: {} } } },
        },
        process: { command: list, env: map },
        ports: [{ hostPort: port }],
        exit: { code: size, at: { seconds } },
        timings: [{ step: "x", ms }],
      });
      expect(Buffer.from(encode(message)).equals(toBinary(ext.MicroVMSchema, message))).toBe(true);
    }),
    { numRuns: 100 },
  );
});

test("a record larger than the first buffer is whole", () => {
  const value = "ü".repeat(200_000);
  const message = create(types.MicroVMSchema, {
    version: 7,
    spec: { id: "big", metadata: { a: value, b: value } },
  });
  const bytes = compileEncoder(types.MicroVMSchema)(message);
  expect(fromBinary(types.MicroVMSchema, bytes)).toEqual(message);
});

test("a message with a oneof is refused when compiling", () => {
  expect(() => compileEncoder(ext.AttachRequestSchema)).toThrow("no compiled encoding");
  expect(() => compileEncoder(wire.CreateMicroVMRequestSchema)).toThrow();
});
