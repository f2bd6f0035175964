import { extension, SIMULATED_LIMITS, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import type { CreateInput, ExtensionInput, InterfaceInput, VolumeInput } from "./create-input.ts";
import { FlintlockError } from "./errors.ts";
import { parseName } from "./names.ts";
import { parseSpec } from "./spec-rules.ts";

const fieldOf = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return error instanceof FlintlockError ? error.detail["field"] : error;
  }
  return "accepted";
};

const refusedField = (changes: Partial<CreateInput>): unknown =>
  fieldOf(() => parseSpec(wireInput(changes), SIMULATED_LIMITS));

const tap: InterfaceInput = {
  deviceId: "eth1",
  type: 1,
  guestMac: undefined,
  address: undefined,
  bridgeName: undefined,
};
const volume: VolumeInput = {
  id: "data",
  isReadOnly: false,
  mountPoint: undefined,
  containerSource: "example.test/data:1",
  virtiofsSource: undefined,
  partitionId: undefined,
  sizeInMb: undefined,
};
const kernel = { image: "example.test/k:1", filename: "boot/vmlinux", cmdline: {}, addNetworkConfig: false };

const noLimits = { networkBytesPerSecond: 0, diskBytesPerSecond: 0, diskOpsPerSecond: 0 };

test("a limit of zero is none, all of them zero are no limits, and a balloon may be empty", () => {
  const parse = (changes: Partial<ExtensionInput>) =>
    parseSpec(wireInput({ memoryInMb: 64, extension: extension(changes) }), SIMULATED_LIMITS);
  expect(parse({ limits: noLimits }).limits).toBe(undefined);
  expect(parse({ limits: { ...noLimits, diskOpsPerSecond: 1 } }).limits).toEqual({ diskOpsPerSecond: 1 });
  expect([0, 32, undefined].map((balloonMib) => parse({ balloonMib }).balloonMib)).toEqual([
    0,
    32,
    undefined,
  ]);
});

test("zero means the wire's defaults", () => {
  const spec = parseSpec(wireInput({ vcpu: 0, memoryInMb: 0 }), SIMULATED_LIMITS);
  expect(spec).toMatchObject({ vcpu: 2, memoryMib: 1024, restart: "always", boot: "init-first" });
});

test.each<[string, Partial<CreateInput>]>([
  ["vcpu", { vcpu: -1 }],
  ["vcpu", { vcpu: 65 }],
  ["memory_in_mb", { memoryInMb: -5 }],
  ["memory_in_mb", { memoryInMb: 2_147_483_647 }],
  ["memory_in_mb", { memoryInMb: 1 }],
  ["kernel.image", { kernel: undefined }],
  ["kernel.image", { kernel: { ...kernel, image: "" } }],
  ["kernel.filename", { kernel: { ...kernel, filename: "../../etc/passwd" } }],
  ["kernel.filename", { kernel: { ...kernel, filename: "boot//x" } }],
  ["kernel.cmdline", { kernel: { ...kernel, cmdline: { "a b": "c" } } }],
  ["kernel.cmdline[a]", { kernel: { ...kernel, cmdline: { a: "b\nc" } } }],
  ["kernel.cmdline", { kernel: { ...kernel, cmdline: { a: "x".repeat(1000), b: "x".repeat(1000) } } }],
  ["metadata", { metadata: { "../../x": "" } }],
  ["root_volume.partition_id", { rootVolume: { ...volume, partitionId: `"; x` } }],
  ["root_volume.source.container_source", { rootVolume: { ...volume, containerSource: "a.test:99999/x" } }],
  ["initrd.image", { initrd: { image: "", filename: "" } }],
  ["root_volume.source", { rootVolume: undefined }],
  ["root_volume.source.virtiofs_source", { rootVolume: { ...volume, virtiofsSource: "/" } }],
  ["root_volume.size_in_mb", { rootVolume: { ...volume, sizeInMb: -1 } }],
  ["root_volume.size_in_mb", { rootVolume: { ...volume, sizeInMb: 2_147_483_647 } }],
  ["root_volume.id", { rootVolume: { ...volume, id: "a/../b" } }],
  ["additional_volumes[1].id", { additionalVolumes: [volume, volume] }],
  ["additional_volumes[0].id", { additionalVolumes: [{ ...volume, id: "root" }] }],
  ["additional_volumes[0].id", { additionalVolumes: [{ ...volume, id: "" }] }],
  ["additional_volumes[0].source", { additionalVolumes: [{ ...volume, virtiofsSource: "/x" }] }],
  ["additional_volumes[0].mount_point", { additionalVolumes: [{ ...volume, mountPoint: "/a/../../b" }] }],
  [
    "additional_volumes[0].source.container_source",
    { additionalVolumes: [{ ...volume, containerSource: "" }] },
  ],
  ["interfaces[0].device_id", { interfaces: [{ ...tap, deviceId: "a/b" }] }],
  ["interfaces[0].device_id", { interfaces: [{ ...tap, deviceId: "a".repeat(16) }] }],
  ["interfaces[1].device_id", { interfaces: [tap, tap] }],
  ["interfaces[0].type", { interfaces: [{ ...tap, type: 7 }] }],
  ["interfaces[0].guest_mac", { interfaces: [{ ...tap, guestMac: "01:00:5e:00:00:01" }] }],
  ["interfaces[0].guest_mac", { interfaces: [{ ...tap, guestMac: "zz" }] }],
  ["interfaces[0].overrides.bridge_name", { interfaces: [{ ...tap, bridgeName: "br0;reboot" }] }],
  [
    "interfaces[0].address.address",
    { interfaces: [{ ...tap, address: { address: "10.0.0.1", gateway: undefined, nameservers: [] } }] },
  ],
  [
    "interfaces[0].address.nameservers[0]",
    { interfaces: [{ ...tap, address: { address: "10.0.0.1/24", gateway: undefined, nameservers: ["x"] } }] },
  ],
  ["provider", { provider: "nosuch" }],
  ["labels", { labels: { "": "x" } }],
  ["labels[k]", { labels: { k: "x".repeat(1025) } }],
  ["pull", { extension: extension({ pull: "sometimes" }) }],
  ["restart", { extension: extension({ restart: "sometimes" }) }],
  ["max_restarts", { extension: extension({ restart: "always", maxRestarts: 1 }) }],
  ["max_restarts", { extension: extension({ maxRestarts: 1 }) }],
  ["max_restarts", { extension: extension({ restart: "on-failure", maxRestarts: 1_000_001 }) }],
  [
    "ports[0].guest_port",
    { extension: extension({ ports: [{ hostIp: "", hostPort: 1, guestPort: 0, protocol: "" }] }) },
  ],
  [
    "ports[0].host_ip",
    { extension: extension({ ports: [{ hostIp: "a", hostPort: 1, guestPort: 1, protocol: "" }] }) },
  ],
  ["process.user", { extension: extension({ user: "a:b:c" }) }],
  ["process.cwd", { extension: extension({ cwd: "relative" }) }],
  [
    "limits.disk_bytes_per_second",
    { extension: extension({ limits: { ...noLimits, diskBytesPerSecond: 1023 } }) },
  ],
  [
    "limits.network_bytes_per_second",
    { extension: extension({ limits: { ...noLimits, networkBytesPerSecond: 2 ** 40 + 1 } }) },
  ],
  [
    "limits.disk_ops_per_second",
    { extension: extension({ limits: { ...noLimits, diskOpsPerSecond: 10_000_001 } }) },
  ],
  ["balloon_mib", { memoryInMb: 64, extension: extension({ balloonMib: 33 }) }],
  ["balloon_mib", { memoryInMb: 0, extension: extension({ balloonMib: 481 }) }],
  ["process.command[0]", { extension: extension({ command: ["a\0b"] }) }],
])("a bad %s is refused by name: %j", (field, changes) => {
  expect(refusedField(changes)).toBe(field);
});

test.each(["a/b", "..", "a..b", "'x'", '"', "x".repeat(300), "", "-a", "a b", "é", "a\n"])(
  "%j is not a name",
  (name) => {
    expect(fieldOf(() => parseName(name, "id"))).toBe("id");
  },
);

test.each(["mvm0", "a", "A-b_c.d", "x".repeat(63)])("%j is a name", (name) => {
  expect(parseName(name, "id")).toBe(name);
});

test("a bundled kernel and root stand in for what flintlock.v1 leaves out", () => {
  const spec = parseSpec(
    wireInput({ kernel: undefined, rootVolume: undefined, extension: extension() }),
    SIMULATED_LIMITS,
  );
  expect(spec.kernel.image).toBe("flintlock.local/kernel:latest");
  expect(spec.rootVolume).toMatchObject({ id: "root", source: { image: "flintlock.local/busybox:latest" } });
});

test("a gateway is taken with and without a prefix", () => {
  for (const gateway of ["10.0.0.1", "10.0.0.1/24"]) {
    const spec = parseSpec(
      wireInput({ interfaces: [{ ...tap, address: { address: "10.0.0.5/24", gateway, nameservers: [] } }] }),
      SIMULATED_LIMITS,
    );
    expect(spec.interfaces[0]?.address?.gateway).toBe("10.0.0.1");
  }
});

test("a key called __proto__ is only a key", () => {
  const spec = parseSpec(wireInput({ labels: JSON.parse('{"__proto__":"x"}') }), SIMULATED_LIMITS);
  expect(Object.keys(spec.labels)).toEqual(["__proto__"]);
});

test("everything that is wrong with a request is told at once, in the order of its fields", () => {
  const input = wireInput({
    vcpu: 65,
    kernel: { ...kernel, image: "", filename: "../x" },
    interfaces: [
      { ...tap, deviceId: "A" },
      { ...tap, guestMac: "zz" },
    ],
    metadata: { "user-data": "%" },
  });
  const refusal = (): FlintlockError => {
    try {
      parseSpec(input, SIMULATED_LIMITS);
    } catch (error) {
      if (error instanceof FlintlockError) return error;
    }
    throw new Error("accepted");
  };
  const { code, message, detail, violations } = refusal();
  expect(violations.map(({ field }) => field)).toEqual([
    "vcpu",
    "kernel.image",
    "kernel.filename",
    "interfaces[0].device_id",
    "interfaces[1].guest_mac",
    "metadata[user-data]",
  ]);
  expect([code, detail["field"]]).toEqual(["invalid_spec", "vcpu"]);
  expect(message).toMatch(/^validation failures found: vcpu: 65 is out of range/);
});

test("a request with a hundred faults is told the first thirty-two", () => {
  const interfaces = Array.from({ length: 8 }, () => ({ ...tap, deviceId: "A", guestMac: "zz", type: 7 }));
  const additionalVolumes = Array.from({ length: 24 }, () => ({ ...volume, id: "", containerSource: "" }));
  try {
    parseSpec(wireInput({ interfaces, additionalVolumes }), SIMULATED_LIMITS);
    throw new Error("accepted");
  } catch (error) {
    expect(error).toMatchObject({ code: "invalid_spec", violations: { length: 32 } });
  }
});

test("a refusal names the metadata's key and never shows its value", () => {
  const work = () => parseSpec(wireInput({ metadata: { "user-data": "c2VjcmV0=secret" } }), SIMULATED_LIMITS);
  expect(work).toThrow(/metadata\[user-data\]: must be base64/);
  expect(work).not.toThrow(/secret/);
});
