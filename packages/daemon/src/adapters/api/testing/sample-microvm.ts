/** A record with something in every field, for this adapter's tests. */
import type { Digest, MacAddress, MicroVM, OciReference, Uid } from "@flintlock/core";
import { unixMs } from "@flintlock/core";

const DISK = "registry.test/os:1" as OciReference;
const KERNEL = "registry.test/kernel:6" as OciReference;

export const sampleMicroVM = (overrides: Partial<MicroVM> = {}): MicroVM => ({
  uid: "01JD0000000000000000000001" as Uid,
  id: "web",
  namespace: "shop",
  version: 3,
  createdBy: "ci",
  createdAt: unixMs(1_700_000_000_123),
  updatedAt: unixMs(1_700_000_001_000),
  deletedAt: undefined,
  run: { state: "paused", isAnew: false },
  spec: {
    provider: "qemu",
    labels: { tier: "front" },
    vcpu: 2,
    memoryMib: 1024,
    kernel: { image: KERNEL, filename: "boot/vmlinux", cmdline: { quiet: "" }, addNetworkConfig: true },
    initrd: { image: KERNEL, filename: "boot/initrd" },
    rootVolume: {
      id: "root",
      isReadOnly: false,
      mountPoint: "/",
      source: { kind: "image", image: DISK },
      partitionId: undefined,
      sizeMib: 2048,
    },
    additionalVolumes: [
      {
        id: "data",
        isReadOnly: true,
        mountPoint: undefined,
        source: { kind: "virtiofs", hostPath: "/srv/data" },
        partitionId: "1",
        sizeMib: undefined,
      },
    ],
    interfaces: [
      {
        deviceId: "eth1",
        type: "tap",
        guestMac: "02:00:00:00:00:01" as MacAddress,
        address: { address: "10.0.0.2/24", gateway: "10.0.0.1", nameservers: ["10.0.0.53"] },
        bridge: "br0",
        isUserMode: false,
      },
      {
        deviceId: "eth2",
        type: "macvtap",
        guestMac: undefined,
        address: undefined,
        bridge: undefined,
        isUserMode: false,
      },
    ],
    metadata: { "user-data": "I2Nsb3VkLWNvbmZpZwo=" },
    allowGuestAgent: true,
    process: {
      command: ["serve", "--port", "80"],
      entrypoint: [],
      env: { MODE: "test" },
      user: "www",
      cwd: "/srv",
      tty: true,
      attach: false,
    },
    ports: [{ hostIp: "127.0.0.1", hostPort: 8080, guestPort: 80, protocol: "tcp" }],
    boot: "process-first",
    pull: "missing",
    restart: "always",
  },
  status: {
    state: "created",
    retry: 1,
    notBefore: undefined,
    failure: { step: "start", code: "provider_failed", message: "no", at: unixMs(1_700_000_000_500) },
    exit: { code: 3, reason: "exited", at: unixMs(1_700_000_000_900) },
    restarts: 4,
    reason: "crash-looping",
    images: { [DISK]: "sha256:00" as Digest },
    volumes: { root: { type: "dev", source: "/var/lib/x/root.img" } },
    kernelMount: { type: "hostpath", source: "/var/lib/x/kernel" },
    initrdMount: undefined,
    networkInterfaces: { eth1: { hostDeviceName: "fltap0", index: 7, macAddress: "0A:00:00:00:00:01" } },
    vsockPath: "/state/vsock/01JD0000000000000000000001.sock",
    timings: { accepted: 0, started: 12.5 },
  },
  ...overrides,
});

/** `count` records that differ in uid and name. */
export const sampleMicroVMs = (count: number): readonly MicroVM[] =>
  Array.from({ length: count }, (_, n) =>
    sampleMicroVM({ uid: `01JD${String(n).padStart(22, "0")}` as Uid, id: `web-${n}` }),
  );
