import type { Machine, Uid } from "@flintlock/core";
import { expect, test } from "vitest";
import { qemuArgs } from "./args.ts";

const host = { accelerator: "tcg", tscKhz: 2596120 } as const;
const machine: Machine = {
  uid: "01JDXAMPLE0000000000000000" as Uid,
  label: "web, 1",
  directory: "/var/lib/flintlock/vm/default/web/01JDXAMPLE0000000000000000",
  vcpu: 2,
  memoryMib: 256,
  kernelPath: "/images/vmlinuz",
  initrdPath: "/images/initrd.img",
  cmdline: { "systemd.unit": "rescue.target" },
  disks: [
    { volumeId: "root", path: "/vm/a,b/root.qcow2", format: "qcow2", isReadOnly: false },
    { volumeId: "a-volume-with-a-long-name", path: "/vm/data.raw", format: "raw", isReadOnly: true },
  ],
  interfaces: [
    { deviceId: "eth0", mac: "02:00:00:00:00:01", hostDevice: undefined },
    {
      deviceId: "eth1",
      mac: "02:00:00:00:00:02",
      hostDevice: { name: "fltapabcdefghij", kind: "tap", mtu: 1400 },
    },
  ],
  ports: [{ hostIp: "127.0.0.1", hostPort: 8080, guestPort: 80, protocol: "tcp" }],
  guest: undefined,
};

/** One option a line, as a person would read it. */
const lines = (args: readonly string[]): string => args.join("\n").replaceAll(/\n(?!-)/g, " ");

const ACPI = { hasAcpi: true };

test("a machine under TCG is a microvm board that is told its TSC rate", () => {
  expect(lines(qemuArgs(machine, "initrd.img", host, ACPI))).toMatchInlineSnapshot(`
    "-name guest=flintlock-01JDXAMPLE0000000000000000,process=vm-web--1
    -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
    -nodefaults
    -no-user-config
    -no-reboot
    -display none
    -machine microvm,acpi=on,rtc=on
    -global virtio-mmio.force-legacy=false
    -accel tcg,tb-size=64
    -cpu max
    -smp cpus=2
    -m size=256M
    -kernel /images/vmlinuz
    -initrd initrd.img
    -append console=ttyS0 quiet cryptomgr.notests panic=-1 reboot=t tsc_early_khz=2596120 tsc=reliable root=/dev/vda rw systemd.unit=rescue.target
    -pidfile vmm.pid
    -qmp unix:qmp.sock,server=on,wait=off
    -chardev socket,id=console,path=console.sock,server=on,wait=off,logfile=console.log,logappend=on
    -serial chardev:console
    -object {"qom-type":"rng-random","id":"rng0","filename":"/dev/urandom"}
    -device {"driver":"virtio-rng-device","rng":"rng0"}
    -chardev socket,id=agent,path=agent.sock,server=on,wait=off
    -chardev file,id=status,path=status.log,append=on
    -device {"driver":"virtio-serial-device","id":"channels","max_ports":4}
    -device {"driver":"virtserialport","bus":"channels.0","nr":1,"chardev":"agent","name":"dev.flintlock.agent"}
    -device {"driver":"virtserialport","bus":"channels.0","nr":2,"chardev":"status","name":"dev.flintlock.status"}
    -object {"qom-type":"throttle-group","id":"disk0-limits","limits":{}}
    -blockdev {"driver":"throttle","node-name":"disk0","throttle-group":"disk0-limits","read-only":false,"discard":"unmap","file":{"driver":"qcow2","node-name":"disk0-open","read-only":false,"discard":"unmap","file":{"driver":"file","filename":"/vm/a,b/root.qcow2","discard":"unmap"}}}
    -device {"driver":"virtio-blk-device","drive":"disk0","serial":"root"}
    -object {"qom-type":"throttle-group","id":"disk1-limits","limits":{}}
    -blockdev {"driver":"throttle","node-name":"disk1","throttle-group":"disk1-limits","read-only":true,"discard":"unmap","file":{"driver":"raw","node-name":"disk1-open","read-only":true,"discard":"unmap","file":{"driver":"file","filename":"/vm/data.raw","discard":"unmap"}}}
    -device {"driver":"virtio-blk-device","drive":"disk1","serial":"51781bc8d69534c7c6e8"}
    -netdev {"type":"user","id":"net0","net":"10.0.2.0/24","ipv6":false,"hostfwd":[{"str":"tcp:127.0.0.1:8080-:80"}]}
    -device {"driver":"virtio-net-device","netdev":"net0","mac":"02:00:00:00:00:01"}
    -netdev {"type":"tap","id":"net1","ifname":"fltapabcdefghij","script":"no","downscript":"no"}
    -device {"driver":"virtio-net-device","netdev":"net1","mac":"02:00:00:00:00:02","host_mtu":1400}"
  `);
});

test("under KVM the guest gets the host's processor and needs no TSC rate", () => {
  const args = qemuArgs(machine, undefined, { accelerator: "kvm", tscKhz: undefined }, ACPI);
  expect(lines(args)).toContain("-accel kvm\n-cpu host");
  expect(lines(args)).toContain("-machine microvm,acpi=on,rtc=on");
  expect(lines(args)).not.toContain("tsc");
  expect(args).not.toContain("-initrd");
});

test("under TCG without a known rate the board is q35, over PCI", () => {
  const text = lines(qemuArgs(machine, undefined, { accelerator: "tcg", tscKhz: undefined }, ACPI));
  expect(text).toContain("-machine q35");
  expect(text).toContain(
    '{"driver":"virtio-net-pci","netdev":"net0","mac":"02:00:00:00:00:01","romfile":""}',
  );
  expect(text).not.toMatch(/tsc|mmio|-device"/);
});

test("more devices than microvm has room for make it q35, and more than that are refused", () => {
  const disk = { volumeId: "v", path: "/v", format: "raw", isReadOnly: true } as const;
  const withDisks = (count: number): Machine => ({ ...machine, disks: new Array(count).fill(disk) });
  expect(qemuArgs(withDisks(20), undefined, host, ACPI)).toContain("microvm,acpi=on,rtc=on");
  expect(lines(qemuArgs(withDisks(21), undefined, host, ACPI))).toContain("-machine q35");
  expect(() => qemuArgs(withDisks(25), undefined, host, ACPI)).toThrow(
    /at most 26 volumes and interfaces together.*27/,
  );
});

test("a whole command line gets only what the board's guest cannot find out", () => {
  const append = (given: Parameters<typeof qemuArgs>[2], whole: string): string | undefined => {
    const cmdline = { "network-config": "eA==", console: "ttyS0" };
    const args = qemuArgs({ ...machine, cmdline, wholeCmdline: whole }, undefined, given, ACPI);
    return args[args.indexOf("-append") + 1];
  };
  const whole = "console=tty0 console=ttyS0 pci=off panic=1";
  expect(append(host, whole)).toBe(
    `tsc_early_khz=2596120 tsc=reliable root=/dev/vda rw network-config=eA== ${whole}`,
  );
  expect(append({ accelerator: "tcg", tscKhz: undefined }, whole)).toBe(
    "root=/dev/vda rw network-config=eA== console=tty0 console=ttyS0  panic=1",
  );
});

test("a read-only root is mounted ro, and a machine without disks has no root", () => {
  const appended = (change: Partial<Machine>): string | undefined => {
    const args = qemuArgs({ ...machine, cmdline: {}, ...change }, undefined, host, ACPI);
    return args[args.indexOf("-append") + 1];
  };
  const disks = machine.disks.map((disk) => ({ ...disk, isReadOnly: true }));
  expect(appended({ disks })).toMatch(/ root=\/dev\/vda ro$/);
  expect(appended({ disks: [] })).toMatch(/ tsc=reliable$/);
});

test("ports need a user-mode interface and an IPv4 address", () => {
  const port = { hostIp: "::1", hostPort: 53, guestPort: 53, protocol: "udp" } as const;
  expect(() => qemuArgs({ ...machine, ports: [port] }, undefined, host, ACPI)).toThrow(
    "ports[0].host_ip: QEMU publishes",
  );
  const interfaces = machine.interfaces.slice(1);
  expect(() => qemuArgs({ ...machine, interfaces }, undefined, host, ACPI)).toThrow(
    "ports: QEMU publishes ports of user",
  );
});

test("a kernel without ACPI is told of its devices on the command line, by QEMU itself", () => {
  expect(qemuArgs(machine, undefined, host, { hasAcpi: false })).toContain("microvm,acpi=off,rtc=on");
});

test("the seed is the last disk, a partition is found by its UUID, and features are added to the model", () => {
  const [root, data] = machine.disks;
  if (root === undefined || data === undefined) throw new Error("no disks");
  const partitionId = "6a1ea9f4-1d8a-4b3c-9b1f-0123456789ab";
  const seeded: Machine = {
    ...machine,
    disks: [{ ...root, partitionId }, data],
    seed: { path: "/vm/seed.img", format: "raw", isReadOnly: true },
    cpuFeatures: ["ssse3", "amx-tile"],
  };
  const text = lines(qemuArgs(seeded, "initrd.img", host, ACPI));
  expect(text).toContain("-cpu max,+ssse3,+amx-tile\n");
  expect(text).toContain(` root=PARTUUID=${partitionId} rw `);
  expect(text.match(/"serial":"[^"]*"/g)?.at(-1)).toBe('"serial":"flintlock-cidata"');
  expect(text).toMatch(/"node-name":"disk2","read-only":true/);
});

test("limits are kept by a filter above each volume and not above the seed, and a balloon waits to be told its size", () => {
  const limited: Machine = {
    ...machine,
    seed: { path: "/vm/seed.img", format: "raw", isReadOnly: true },
    limits: { diskBytesPerSecond: 1_048_576, diskOpsPerSecond: 100 },
    balloonMib: 64,
  };
  const text = lines(qemuArgs(limited, undefined, host, ACPI));
  expect(text).toContain(
    '-object {"qom-type":"throttle-group","id":"disk0-limits","limits":{"bps-total":1048576,"iops-total":100}}\n' +
      '-blockdev {"driver":"throttle","node-name":"disk0","throttle-group":"disk0-limits","read-only":false,"discard":"unmap","file":{"driver":"qcow2","node-name":"disk0-open",',
  );
  expect(text.match(/"driver":"throttle"/g)).toHaveLength(2);
  expect(text).toContain('-blockdev {"driver":"raw","node-name":"disk2"');
  expect(text).toMatch(/-device {"driver":"virtio-balloon-device",.*}\n-S$/);
  const waiting = qemuArgs({ ...machine, balloonMib: 0 }, undefined, host, ACPI);
  expect(lines(waiting)).toContain("virtio-balloon");
  expect(waiting).not.toContain("-S");
});

test("directories of the host: memory that virtiofsd can map, and a device for each, on either board", () => {
  const filesystems = ["user", "docs"].map((tag) => ({
    volumeId: tag,
    tag,
    hostPath: "/srv/shared",
    isReadOnly: false,
  }));
  const shared = { ...machine, filesystems };
  const microvm = lines(qemuArgs(shared, "initrd.img", host, ACPI));
  expect(microvm).toContain("-machine microvm,acpi=on,rtc=on,memory-backend=shared-memory\n");
  expect(microvm).toContain(
    '-object {"qom-type":"memory-backend-memfd","id":"shared-memory","size":268435456,"share":true}',
  );
  for (const [index, tag] of ["user", "docs"].entries()) {
    expect(microvm).toContain(`-chardev socket,id=fs${index},path=virtiofs.${index}.sock`);
    expect(microvm).toContain(`{"driver":"vhost-user-fs-device","chardev":"fs${index}","tag":"${tag}"}`);
  }
  const q35 = lines(qemuArgs(shared, "initrd.img", { ...host, tscKhz: undefined }, ACPI));
  expect(q35).toContain("-machine q35,usb=off,vmport=off,memory-backend=shared-memory");
  expect(q35).toContain("vhost-user-fs-pci");
});
