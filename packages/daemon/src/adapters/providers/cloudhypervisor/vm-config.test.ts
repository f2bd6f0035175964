import type { Machine, Uid } from "@flintlock/core";
import { expect, test } from "vitest";
import { vmConfig } from "./vm-config.ts";

const machine: Machine = {
  uid: "01TEST" as Uid,
  label: "default/web",
  directory: "/vm",
  vcpu: 2,
  memoryMib: 512,
  kernelPath: "/images/vmlinuz",
  initrdPath: undefined,
  cmdline: {},
  disks: [
    { path: "/vm/root.raw", format: "raw", isReadOnly: false, volumeId: "root" },
    { path: "/images/data.raw", format: "raw", isReadOnly: true, volumeId: "a-volume-with-a-long-name" },
  ],
  interfaces: [
    { deviceId: "eth0", mac: "02:00:00:00:00:01", hostDevice: { name: "fltap0", kind: "tap", mtu: 1400 } },
    { deviceId: "eth1", mac: "02:00:00:00:00:02", hostDevice: { name: "flmvt0", kind: "macvtap" } },
  ],
  ports: [],
  guest: undefined,
};

test("a stranger's machine: nothing that was not asked for", () => {
  expect(vmConfig(machine, undefined)).toEqual({
    payload: { kernel: "/images/vmlinuz", cmdline: "console=ttyS0 quiet panic=1 root=/dev/vda rw" },
    cpus: { boot_vcpus: 2, max_vcpus: 2 },
    memory: { size: 512 * 1024 * 1024, shared: false },
    disks: [
      { path: "/vm/root.raw", readonly: false, serial: "root", image_type: "Raw" },
      {
        path: "/images/data.raw",
        readonly: true,
        serial: expect.stringMatching(/^[0-9a-f]{20}$/),
        image_type: "Raw",
      },
    ],
    net: [{ tap: "fltap0", mac: "02:00:00:00:00:01", mtu: 1400 }, { mac: "02:00:00:00:00:02" }],
    rng: { src: "/dev/urandom" },
    serial: { mode: "Pty" },
    console: { mode: "Off" },
  });
});

test("a guest of ours with everything: seed and status come after the volumes, limits are the volumes' and interfaces'", () => {
  const config = vmConfig(
    {
      ...machine,
      seed: { path: "/vm/seed.img", format: "raw", isReadOnly: true },
      limits: { diskBytesPerSecond: 1000, diskOpsPerSecond: 10, networkBytesPerSecond: 500 },
      balloonMib: 64,
      filesystems: [
        { volumeId: "src", tag: "user", hostPath: "/srv/a", isReadOnly: false },
        { volumeId: "doc", tag: "doc", hostPath: "/srv/b", isReadOnly: true },
      ],
      guest: {} as NonNullable<Machine["guest"]>,
    },
    "/vm/initrd.img",
  );
  expect(config.payload.initramfs).toBe("/vm/initrd.img");
  expect(config.disks.map(({ path, readonly }) => [path, readonly])).toEqual([
    ["/vm/root.raw", false],
    ["/images/data.raw", true],
    ["/vm/seed.img", true],
    ["/vm/status.log", false],
  ]);
  const limit = { bandwidth: { size: 1000, refill_time: 1000 }, ops: { size: 10, refill_time: 1000 } };
  expect(config.disks.map((disk) => disk.rate_limiter_config)).toEqual([limit, limit, undefined, undefined]);
  expect(config.net[1]?.rate_limiter_config).toEqual({ bandwidth: { size: 500, refill_time: 1000 } });
  expect(config).toMatchObject({
    memory: { shared: true },
    fs: [
      { tag: "user", socket: "virtiofs.0.sock", num_queues: 1, queue_size: 1024 },
      { tag: "doc", socket: "virtiofs.1.sock" },
    ],
    balloon: { size: 64 * 1024 * 1024, deflate_on_oom: true },
    vsock: { cid: 3, socket: "guest-agent.vsock" },
  });
});

test("a vsock for programs of the host too", () => {
  expect(vmConfig({ ...machine, hasAgentSocket: true }, undefined).vsock).toEqual({
    cid: 3,
    socket: "guest-agent.vsock",
  });
});

test.each([
  [{ console: "hvc0" }, undefined, "console"],
  [{ console: "ttyS0" }, undefined, "serial"],
  [{}, "console=ttyS0 console=hvc0 root=/dev/vda", "console"],
  [{}, "console=hvc0 console=ttyS0,115200n8", "serial"],
  [{}, "quiet", "serial"],
])("the terminal is where the kernel's last console is: %j %j", (cmdline, wholeCmdline, device) => {
  const { serial, console } = vmConfig({ ...machine, cmdline, wholeCmdline }, undefined);
  expect([serial.mode, console.mode]).toEqual(device === "serial" ? ["Pty", "Off"] : ["Null", "Pty"]);
});

test("a whole command line is the caller's, but for what hides the disks", () => {
  const wholeCmdline = "console=ttyS0 pci=off reboot=k";
  expect(vmConfig({ ...machine, wholeCmdline }, undefined).payload.cmdline).toBe(
    "root=/dev/vda rw console=ttyS0  reboot=k",
  );
});

test("a user-mode network and published ports are refused, with what to do", () => {
  const user = [{ deviceId: "eth0", mac: "02:00:00:00:00:01", hostDevice: undefined }];
  expect(() => vmConfig({ ...machine, interfaces: user }, undefined)).toThrow("interfaces[0]");
  const ports = [{ hostIp: "127.0.0.1", hostPort: 80, guestPort: 80, protocol: "tcp" }] as const;
  expect(() => vmConfig({ ...machine, ports }, undefined)).toThrow("ports:");
});

test("room to grow is places for processors, and addresses for memory beyond what it begins with", () => {
  const { cpus, memory } = vmConfig(machine, undefined, { vcpu: 8, memoryMib: 4096 });
  expect(cpus).toEqual({ boot_vcpus: 2, max_vcpus: 8 });
  expect(memory).toMatchObject({ size: 512 * 1024 * 1024, hotplug_size: 3584 * 1024 * 1024 });
});
