import { create, fromBinary, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import { ext, types, wire } from "@flintlock/api";
import { type MicroVMState, unixMs } from "@flintlock/core";
import { expect, test } from "vitest";
import { sampleMicroVM, sampleMicroVMs } from "../testing/sample-microvm.ts";
import { createInputOf, extensionInputOf } from "./create-input.ts";
import { wireExtended } from "./extension.ts";
import { wireBytes, wireImage } from "./image.ts";
import { timestamp, wireMicroVM } from "./microvm.ts";
import { encodedExtendedList, encodedMicroVM, encodedMicroVMs } from "./record-cache.ts";

test("what a client is told, it can send again and mean the same", () => {
  const vm = sampleMicroVM();
  const spec = wireMicroVM(vm).spec;
  if (spec === undefined) throw new Error("no spec");
  expect(createInputOf(spec, undefined)).toEqual({
    id: "web",
    namespace: "shop",
    labels: { tier: "front" },
    vcpu: 2,
    memoryInMb: 1024,
    kernel: {
      image: "registry.test/kernel:6",
      filename: "boot/vmlinux",
      cmdline: { quiet: "" },
      addNetworkConfig: true,
    },
    initrd: { image: "registry.test/kernel:6", filename: "boot/initrd" },
    rootVolume: {
      id: "root",
      isReadOnly: false,
      mountPoint: "/",
      containerSource: "registry.test/os:1",
      virtiofsSource: undefined,
      partitionId: "",
      sizeInMb: 2048,
    },
    additionalVolumes: [
      {
        id: "data",
        isReadOnly: true,
        mountPoint: undefined,
        containerSource: undefined,
        virtiofsSource: "/srv/data",
        partitionId: "1",
        sizeInMb: 0,
      },
    ],
    interfaces: [
      {
        deviceId: "eth1",
        type: 1,
        guestMac: "02:00:00:00:00:01",
        address: { address: "10.0.0.2/24", gateway: "10.0.0.1/24", nameservers: ["10.0.0.53"] },
        bridgeName: "br0",
      },
      { deviceId: "eth2", type: 0, guestMac: "", address: undefined, bridgeName: undefined },
    ],
    metadata: { "user-data": "I2Nsb3VkLWNvbmZpZwo=" },
    provider: "qemu",
    allowGuestAgent: true,
    extension: undefined,
  });
});

test("an empty spec is an empty input, and overrides without a bridge are none", () => {
  const spec = create(types.MicroVMSpecSchema, { interfaces: [{ overrides: {} }], rootVolume: {} });
  const input = createInputOf(spec, undefined);
  expect(input).toMatchObject({ id: "", kernel: undefined, initrd: undefined, provider: "" });
  expect(input.interfaces[0]).toMatchObject({ bridgeName: undefined, address: undefined });
  expect(input.rootVolume).toMatchObject({ containerSource: undefined, virtiofsSource: undefined });
});

test("an enum value of the future goes on as its number", () => {
  const spec = create(types.MicroVMSpecSchema, {
    interfaces: [{ type: 9 as types.NetworkInterface_IfaceType }],
  });
  expect(createInputOf(spec, undefined).interfaces[0]?.type).toBe(9);
  const request = create(ext.CreateRequestSchema, { restart: 9 as ext.RestartPolicy });
  expect(extensionInputOf(request).restart).toBe("9");
});

test("image references are trimmed and lose control characters, as upstream does it", () => {
  const spec = create(types.MicroVMSpecSchema, {
    kernel: { image: "\u00a0registry.test/k:\u0007 1\r\n" },
    rootVolume: { source: { containerSource: "" } },
  });
  expect(createInputOf(spec, undefined).kernel?.image).toBe("registry.test/k: 1");
  expect(createInputOf(spec, undefined).rootVolume?.containerSource).toBe("");
});

test("an absent process keeps the image's, an emptied entrypoint removes it", () => {
  const input = (process: Parameters<typeof create<typeof ext.ProcessSchema>>[1] | undefined) =>
    extensionInputOf(create(ext.CreateRequestSchema, process === undefined ? {} : { process }));
  expect(input(undefined)).toMatchObject({ command: undefined, entrypoint: undefined, env: {} });
  expect(input({ setEntrypoint: true })).toMatchObject({ command: undefined, entrypoint: [] });
  expect(input({ entrypoint: ["sh"], command: ["-c"] })).toMatchObject({
    command: ["-c"],
    entrypoint: ["sh"],
  });
});

test("upstream's four states stand for our seven", () => {
  const stateOf = (state: MicroVMState): unknown[] => {
    const vm = sampleMicroVM();
    const wired = wireExtended({ ...vm, status: { ...vm.status, state } });
    return [wired.microvm?.status?.state, wired.state];
  };
  const { PENDING, CREATED, FAILED, DELETING } = types.MicroVMStatus_MicroVMState;
  expect(stateOf("pending")).toEqual([PENDING, ext.State.PENDING]);
  expect(stateOf("created")).toEqual([CREATED, ext.State.RUNNING]);
  expect(stateOf("paused")).toEqual([PENDING, ext.State.PAUSED]);
  expect(stateOf("stopped")).toEqual([PENDING, ext.State.STOPPED]);
  expect(stateOf("exited")).toEqual([PENDING, ext.State.EXITED]);
  expect(stateOf("failed")).toEqual([FAILED, ext.State.FAILED]);
  expect(stateOf("deleting")).toEqual([DELETING, ext.State.DELETING]);
});

test("an extended record says how it ended, why it failed and what it took", () => {
  const wired = JSON.parse(toJsonString(ext.MicroVMSchema, wireExtended(sampleMicroVM())));
  expect(wired).toMatchObject({
    process: { command: ["serve", "--port", "80"], setEntrypoint: true, env: { MODE: "test" }, tty: true },
    ports: [{ hostIp: "127.0.0.1", hostPort: 8080, guestPort: 80, protocol: "tcp" }],
    exit: { code: 3, reason: "exited", at: "2023-11-14T22:13:20.900Z" },
    failure: { step: "start", code: "provider_failed", message: "no" },
    timings: [{ step: "accepted" }, { step: "started", ms: 12.5 }],
    restart: "ALWAYS",
    desiredState: "PAUSED",
    restarts: 4,
    reason: "crash-looping",
  });
});

test("the cached encodings of lists are what protobuf-es writes and reads", () => {
  for (const count of [0, 1, 300]) {
    const vms = sampleMicroVMs(count);
    const plain = create(wire.ListMicroVMsResponseSchema, { microvm: vms.map(wireMicroVM) });
    const encoded = encodedMicroVMs(vms);
    expect(Buffer.from(encoded.binary()).equals(toBinary(wire.ListMicroVMsResponseSchema, plain))).toBe(true);
    expect(fromJsonString(wire.ListMicroVMsResponseSchema, encoded.json())).toEqual(plain);
    const nextPageToken = count === 0 ? "" : "01JD0000000000000000000001";
    const extended = create(ext.ListResponseSchema, { microvms: vms.map(wireExtended), nextPageToken });
    const encodedList = encodedExtendedList({ microvms: vms, nextToken: nextPageToken });
    expect(fromBinary(ext.ListResponseSchema, encodedList.binary())).toEqual(extended);
    expect(fromJsonString(ext.ListResponseSchema, encodedList.json())).toEqual(extended);
  }
  const vm = sampleMicroVM();
  const response = create(wire.GetMicroVMResponseSchema, { microvm: wireMicroVM(vm) });
  expect(fromBinary(wire.GetMicroVMResponseSchema, encodedMicroVM(vm).binary())).toEqual(response);
});

test("a changed record is a new object and is encoded anew", () => {
  const before = sampleMicroVM();
  const after = { ...before, version: 4 };
  const version = (vm: typeof before) =>
    fromBinary(wire.GetMicroVMResponseSchema, encodedMicroVM(vm).binary()).microvm?.version;
  expect([version(before), version(after), version(before)]).toEqual([3, 4, 3]);
});

test("times keep their milliseconds, and byte counts of nonsense are zero", () => {
  expect(timestamp(unixMs(1_700_000_000_123))).toMatchObject({ seconds: 1_700_000_000n, nanos: 123_000_000 });
  expect([wireBytes(-1), wireBytes(Number.NaN), wireBytes(1.5), wireBytes(7)]).toEqual([0n, 0n, 0n, 7n]);
  const image = {
    reference: "a:1",
    digest: "sha256:0",
    config: { entrypoint: [], cmd: [], env: [], user: "", workingDir: "", labels: {} },
    sizeBytes: 1,
    layers: 1,
    createdAt: undefined,
    platform: "linux/amd64",
  };
  expect(wireImage(image as unknown as Parameters<typeof wireImage>[0], ["a/b"])).toMatchObject({
    created: "",
    usedBy: ["a/b"],
  });
});
