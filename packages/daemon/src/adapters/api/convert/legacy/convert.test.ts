import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { legacyTypes } from "@flintlock/api";
import type { MicroVMState, OciReference } from "@flintlock/core";
import { describe, expect, test } from "vitest";
import { sampleMicroVM } from "../../testing/sample-microvm.ts";
import { legacyCreateInput } from "./create-input.ts";
import { legacyMicroVM, legacySpec } from "./microvm.ts";
import { splitVolumes } from "./volumes.ts";

type Init = MessageInitShape<typeof legacyTypes.MicroVMSpecSchema>;

const inputOf = (init: Init) => {
  const spec = create(legacyTypes.MicroVMSpecSchema, init);
  return legacyCreateInput(spec, splitVolumes(spec.volumes, spec.initrd !== undefined));
};

const ROOT = { id: "root", isRoot: true, mountPoint: "/", source: { containerSource: "registry.test/os:1" } };

describe("a request", () => {
  test("keeps every field it has", () => {
    const input = inputOf({
      id: "mvm1",
      namespace: "ns1",
      labels: { env: "lab" },
      vcpu: 2,
      memoryInMb: 2048,
      kernel: {
        image: "registry.test/k:1",
        cmdline: "console=ttyS0 quiet",
        filename: "vmlinux",
        addNetworkConfig: true,
      },
      initrd: { image: "registry.test/k:1", filename: "initrd-generic" },
      volumes: [
        {
          id: "data",
          isReadOnly: true,
          mountPoint: "/data",
          source: { containerSource: "registry.test/data:1" },
          partitionId: "0fc63daf-8483-4772-8e79-3d69d8477de4",
          sizeInMb: 20,
        },
        ROOT,
      ],
      interfaces: [
        {
          guestDeviceName: "eth0",
          type: legacyTypes.NetworkInterface_IfaceType.TAP,
          allowMetadataReq: true,
          guestMac: "AA:FF:00:00:00:01",
          address: "169.254.0.1/16",
        },
        { guestDeviceName: "eth1" },
      ],
      metadata: { "user-data": "I2Nsb3VkLWNvbmZpZwo=" },
    });
    const absent = { virtiofsSource: undefined, partitionId: undefined, sizeInMb: undefined };
    expect(input).toEqual({
      id: "mvm1",
      namespace: "ns1",
      labels: { env: "lab" },
      vcpu: 2,
      memoryInMb: 2048,
      kernel: {
        image: "registry.test/k:1",
        filename: "vmlinux",
        cmdline: {},
        wholeCmdline: "console=ttyS0 quiet",
        addNetworkConfig: true,
      },
      initrd: { image: "registry.test/k:1", filename: "initrd-generic" },
      rootVolume: {
        ...absent,
        id: "root",
        isReadOnly: false,
        mountPoint: undefined,
        containerSource: "registry.test/os:1",
      },
      additionalVolumes: [
        {
          id: "data",
          isReadOnly: true,
          mountPoint: "/data",
          containerSource: "registry.test/data:1",
          virtiofsSource: undefined,
          partitionId: "0fc63daf-8483-4772-8e79-3d69d8477de4",
          sizeInMb: 20,
        },
      ],
      interfaces: [
        {
          deviceId: "eth0",
          type: 1,
          guestMac: "AA:FF:00:00:00:01",
          address: { address: "169.254.0.1/16", gateway: undefined, nameservers: [] },
          bridgeName: undefined,
          isForMetadata: true,
        },
        {
          deviceId: "eth1",
          type: 0,
          guestMac: undefined,
          address: undefined,
          bridgeName: undefined,
          isForMetadata: false,
        },
      ],
      metadata: { "user-data": "I2Nsb3VkLWNvbmZpZwo=" },
      provider: "",
      allowGuestAgent: false,
      keepsMetadata: true,
      needsUniqueName: true,
      extension: undefined,
    });
  });

  test("that is empty is an empty input", () => {
    const input = inputOf({ initrd: {}, interfaces: [{ address: "" }] });
    expect(input).toMatchObject({ id: "", kernel: undefined, rootVolume: undefined, additionalVolumes: [] });
    expect(input.interfaces[0]?.address).toBeUndefined();
  });

  test("has one root, wherever it stands", () => {
    expect(inputOf({ volumes: [{ id: "a" }, ROOT, { id: "b" }] })).toMatchObject({
      rootVolume: { id: "root" },
      additionalVolumes: [{ id: "a" }, { id: "b" }],
    });
  });

  test("without a root needs an initrd, and two roots are refused by name", () => {
    expect(() => inputOf({ volumes: [{ id: "a" }] })).toThrow("volumes: one must be the root");
    expect(() => inputOf({})).toThrow("volumes: one must be the root");
    expect(inputOf({ initrd: {}, volumes: [{ id: "a" }] }).rootVolume).toBeUndefined();
    for (const initrd of [{}, undefined]) {
      expect(() => inputOf({ volumes: [ROOT, { id: "a" }, ROOT], ...(initrd && { initrd }) })).toThrow(
        "volumes[2].is_root: ",
      );
    }
  });
});

describe("a record", () => {
  test("is told as far as the layout goes: no gateway, bridge, name server or virtiofs", () => {
    const spec = legacySpec(sampleMicroVM());
    expect(spec).toMatchObject({
      id: "web",
      namespace: "shop",
      labels: { tier: "front" },
      vcpu: 2,
      memoryInMb: 1024,
      kernel: { cmdline: "quiet", filename: "boot/vmlinux", addNetworkConfig: true },
      initrd: { filename: "boot/initrd" },
      metadata: { "user-data": "I2Nsb3VkLWNvbmZpZwo=" },
      createdAt: { seconds: 1_700_000_000n, nanos: 123_000_000 },
    });
    expect(spec.deletedAt).toBeUndefined();
    expect(spec.volumes).toMatchObject([
      { id: "root", isRoot: true, mountPoint: "/", sizeInMb: 2048, partitionId: "" },
      { id: "data", isRoot: false, isReadOnly: true, mountPoint: "", sizeInMb: 0 },
    ]);
    expect(spec.volumes[1]?.source).toEqual(create(legacyTypes.VolumeSourceSchema, {}));
    expect(spec.interfaces).toMatchObject([
      { guestDeviceName: "eth1", type: 1, guestMac: "02:00:00:00:00:01", address: "10.0.0.2/24" },
      { guestDeviceName: "eth2", type: 0, guestMac: "", allowMetadataReq: false },
    ]);
    expect(spec.interfaces[1]?.address).toBeUndefined();
  });

  test("has a root's mount point even where nobody gave one, and no root where an initrd is all", () => {
    const vm = sampleMicroVM();
    const root = {
      id: "root",
      isReadOnly: true,
      mountPoint: undefined,
      source: { kind: "image", image: "registry.test/os:1" as OciReference },
      partitionId: undefined,
      sizeMib: undefined,
    } as const;
    const specWith = (change: Partial<typeof vm.spec>) =>
      legacySpec({ ...vm, spec: { ...vm.spec, ...change } });
    expect(specWith({ rootVolume: root }).volumes[0]).toMatchObject({ isRoot: true, mountPoint: "/" });
    const none = specWith({ rootVolume: undefined, additionalVolumes: [root], initrd: undefined });
    expect(none.volumes).toMatchObject([{ isRoot: false, mountPoint: "" }]);
    expect(none.initrd).toBeUndefined();
  });

  test("keeps its whole command line to the letter", () => {
    const vm = sampleMicroVM();
    const wholeCmdline = "console=tty0  console=ttyS0 -- x";
    const kernel = { ...vm.spec.kernel, cmdline: { console: "ttyS0" }, wholeCmdline };
    expect(legacySpec({ ...vm, spec: { ...vm.spec, kernel } }).kernel?.cmdline).toBe(wholeCmdline);
  });

  test("is in one of three states", () => {
    const stateOf = (state: MicroVMState) => {
      const vm = sampleMicroVM();
      return legacyMicroVM({ ...vm, status: { ...vm.status, state } }).status?.state;
    };
    const { PENDING, CREATED, FAILED } = legacyTypes.MicroVMStatus_MicroVMState;
    const states = ["pending", "created", "paused", "stopped", "exited", "failed", "deleting"] as const;
    const wire = [PENDING, CREATED, PENDING, PENDING, PENDING, FAILED, PENDING];
    expect(states.map(stateOf)).toEqual(wire);
  });

  test("has its status told", () => {
    expect(legacyMicroVM(sampleMicroVM())).toMatchObject({
      version: 3,
      status: {
        retry: 1,
        volumes: { root: { mount: { type: 0, source: "/var/lib/x/root.img" } } },
        kernelMount: { type: 1, source: "/var/lib/x/kernel" },
        networkInterfaces: { eth1: { hostDeviceName: "fltap0", index: 7, macAddress: "0A:00:00:00:00:01" } },
      },
    });
    expect(legacyMicroVM(sampleMicroVM()).status?.initrdMount).toBeUndefined();
  });
});
