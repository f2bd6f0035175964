import type { Machine, Uid } from "@flintlock/core";
import { expect, test } from "vitest";
import { macvtapsOf, vmArgs } from "./args.ts";
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
  disks: [{ path: "/vm/ro,ot.raw", format: "raw", isReadOnly: true, volumeId: "root" }],
  limits: { diskBytesPerSecond: 1000, networkBytesPerSecond: 500 },
  balloonMib: 1,
  hasAgentSocket: true,
  filesystems: [{ volumeId: "src", tag: "user", hostPath: "/srv/a", isReadOnly: false }],
  interfaces: [
    { deviceId: "eth0", mac: "02:00:00:00:00:01", hostDevice: { name: "mvt0", kind: "macvtap", mtu: 1400 } },
    { deviceId: "eth1", mac: "02:00:00:00:00:02", hostDevice: { name: "fltap0", kind: "tap" } },
    { deviceId: "eth2", mac: "02:00:00:00:00:03", hostDevice: { name: "mvt1", kind: "macvtap" } },
  ],
  ports: [],
  guest: undefined,
};
const argsFor = (machine: Machine, major: number, minor: number): string =>
  vmArgs(vmConfig(machine, "/vm/initrd.img"), { major, minor, text: "" })
    .map((word) => (word.startsWith("--") ? `\n${word}` : word))
    .join(" ")
    .slice(1);

test("a machine with MACVTAP interfaces is all on the command line, its links by descriptor in their order", () => {
  expect(macvtapsOf(machine.interfaces)).toEqual(["mvt0", "mvt1"]);
  expect(argsFor(machine, 53, 0)).toMatchInlineSnapshot(`
    "--api-socket cloudhypervisor.sock 
    --event-monitor fd=3 
    --kernel /images/vmlinuz 
    --cmdline=console=ttyS0 quiet panic=1 root=/dev/vda ro 
    --initramfs /vm/initrd.img 
    --cpus boot=2,max=2 
    --memory size=536870912,shared=on 
    --disk path="/vm/ro,ot.raw",readonly=on,serial=root,image_type=raw,bw_size=1000,bw_refill_time=1000 
    --net fd=4,mac=02:00:00:00:00:01,mtu=1400,bw_size=500,bw_refill_time=1000 tap=fltap0,mac=02:00:00:00:00:02,bw_size=500,bw_refill_time=1000 fd=5,mac=02:00:00:00:00:03,bw_size=500,bw_refill_time=1000 
    --fs tag=user,socket=virtiofs.0.sock,num_queues=1,queue_size=1024 
    --rng src=/dev/urandom 
    --balloon size=1048576,deflate_on_oom=on 
    --vsock cid=3,socket=guest-agent.vsock 
    --serial pty 
    --console off"
  `);
});

test("an older release is not told what it does not know", () => {
  expect(argsFor(machine, 41, 0)).not.toContain("image_type");
  expect(argsFor(machine, 50, 0)).not.toContain("image_type");
  expect(argsFor(machine, 50, 1)).toContain("image_type=raw");
});

test.each(['a"b', "a[b", "a b ", "a,b]"])("a path that its options cannot hold is refused: %j", (name) => {
  const disks = [{ ...machine.disks[0], path: `/vm/${name}` } as Machine["disks"][number]];
  expect(() => argsFor({ ...machine, disks }, 53, 0)).toThrow("cannot be given the path");
});
