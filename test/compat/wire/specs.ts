/** Specs that the cases are made of: `minimal` is the least that upstream accepts. */
import type { JsonObject } from "@bufbuild/protobuf";

export const minimal = {
  id: "vm",
  namespace: "compat",
  kernel: { image: "registry.test/kernel:1", filename: "boot/vmlinux" },
  rootVolume: { id: "root", source: { containerSource: "registry.test/os:1" } },
  interfaces: [{ deviceId: "eth1", type: "TAP" }],
} as const satisfies JsonObject;

export const spec = (id: string, more: JsonObject = {}): JsonObject => ({ ...minimal, id, ...more });

const base64 = (text: string): string => Buffer.from(text).toString("base64");

export const META_DATA = base64("instance_id: ns1/full\nlocal_hostname: full\n");

/** Every field set, with values that upstream takes. */
export const full = (id: string): JsonObject => ({
  id,
  namespace: "compat",
  labels: { team: "a", "example.test/tier": "web" },
  vcpu: 4,
  memoryInMb: 4096,
  kernel: {
    image: "registry.test/kernel:1",
    filename: "boot/vmlinux",
    cmdline: { console: "ttyS1", quiet: "" },
    addNetworkConfig: true,
  },
  initrd: { image: "registry.test/kernel:1", filename: "boot/initrd.img" },
  rootVolume: {
    id: "root",
    isReadOnly: true,
    source: { containerSource: "registry.test/os:1" },
    partitionId: "0f3a1c52-7f5e-4f7e-8f43-bb1d4a0b1f0a",
    sizeInMb: 2048,
  },
  additionalVolumes: [
    {
      id: "data",
      mountPoint: "/mnt/data",
      source: { containerSource: "registry.test/data@sha256:".concat("a".repeat(64)) },
      sizeInMb: 512,
    },
    { id: "more", isReadOnly: true, source: { containerSource: "registry.test/more:1" } },
  ],
  interfaces: [
    { deviceId: "eth1", type: "TAP", guestMac: "0e:00:00:00:00:01" },
    {
      deviceId: "eth2",
      type: "TAP",
      guestMac: "0E-00-00-00-00-02",
      address: {
        address: "192.0.2.10/24",
        gateway: "192.0.2.1/24",
        nameservers: ["192.0.2.53", "2001:db8::53"],
      },
      overrides: { bridgeName: "br1" },
    },
    { deviceId: "eth3", type: "TAP", address: { address: "2001:db8::10/64" } },
  ],
  metadata: { "meta-data": META_DATA, "user-data": base64("#cloud-config\n") },
  createdAt: "2020-01-01T00:00:00Z",
  updatedAt: "2020-01-01T00:00:00Z",
  deletedAt: "2020-01-01T00:00:00Z",
  uid: "01ARZ3NDEKTSV4RRFFQ69G5FAV",
  provider: "",
  allowGuestAgent: true,
});
