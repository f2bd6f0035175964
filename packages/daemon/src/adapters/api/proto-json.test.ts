import { create } from "@bufbuild/protobuf";
import { ext, ImageSchema, PullResponseSchema, types, wire } from "@flintlock/api";
import { expect, test } from "vitest";
import { toProtoJson } from "./proto-json.ts";

test("unset messages are null, unset optionals are left out, all else is there", () => {
  expect(toProtoJson(types.MicroVMSpecSchema, create(types.MicroVMSpecSchema))).toEqual({
    id: "",
    namespace: "",
    labels: {},
    vcpu: 0,
    memoryInMb: 0,
    kernel: null,
    rootVolume: null,
    additionalVolumes: [],
    interfaces: [],
    metadata: {},
    createdAt: null,
    updatedAt: null,
    deletedAt: null,
    allowGuestAgent: false,
  });
});

test("so also inside lists, maps and messages", () => {
  const message = create(wire.ListMicroVMsResponseSchema, { microvm: [{ status: { volumes: { a: {} } } }] });
  expect(toProtoJson(wire.ListMicroVMsResponseSchema, message)).toMatchObject({
    microvm: [{ spec: null, status: { kernelMount: null, volumes: { a: { mount: null } } } }],
  });
});

test("a oneof has no nulls, and 64-bit numbers are strings", () => {
  expect(toProtoJson(PullResponseSchema, create(PullResponseSchema))).toEqual({});
  expect(toProtoJson(ImageSchema, create(ImageSchema, { sizeBytes: 2n ** 60n }))).toMatchObject({
    sizeBytes: String(2n ** 60n),
  });
  expect(toProtoJson(ext.ExitSchema, create(ext.ExitSchema))).toEqual({ reason: "", at: null });
});
