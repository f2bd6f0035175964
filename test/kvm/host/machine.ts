/**
 * The QEMU that runs the KVM host. Its software CPU has AMD's virtualization, so the host has a /dev/kvm that works
 * where the machine below has none.
 */
import { join } from "node:path";

/** Directories of ours that the host sees below /host. */
export interface Shares {
  /** Read-write; holds `command`, and `exit` in the end */
  readonly job: string;
  readonly checkout: string;
  /** FLINTLOCK_VMM_DIR */
  readonly vmm: string;
}

const MEMORY_MIB = 4096;

/**
 * The command line, of which all but the paths must be the same for the run that saves the machine and those that
 * restore it. One CPU: with two, spin locks of the guest's guests hang now and then.
 */
export const machineArgs = (files: string, shares: Shares, disk: string): readonly string[] => [
  ...["-machine", "q35", "-accel", "tcg,thread=single,tb-size=1024", "-smp", "1", "-m", `${MEMORY_MIB}`],
  // Firecracker reads the AMD leaves up to 0x8000001e, and `max` ends before them.
  ...["-cpu", "max,xlevel=0x8000001f"],
  ...["-nodefaults", "-no-user-config", "-nographic", "-no-reboot"],
  ...["-kernel", join(files, "vmlinuz"), "-initrd", join(files, "initrd.img"), "-append", KERNEL_ARGS],
  ...["-drive", `${disk},if=none,id=root`, "-device", "virtio-blk-pci,drive=root"],
  ...["-netdev", "user,id=net,restrict=on", "-device", "virtio-net-pci,netdev=net,romfile="],
  ...["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"],
  ...["-chardev", "stdio,id=job,signal=off", "-device", "virtserialport,chardev=job,name=job"],
  ...share("job", shares.job, false),
  ...share("checkout", shares.checkout, true),
  ...share("vmm", shares.vmm, true),
];

const KERNEL_ARGS = [
  ...["root=/dev/vda", "rw", "init=/sbin/kvm-host-init", "console=ttyS0", "quiet", "panic=-1"],
  ...["net.ifnames=0", "mitigations=off", "nokaslr", "tsc=reliable"],
].join(" ");

const share = (tag: string, path: string, isReadOnly: boolean): readonly string[] => [
  "-virtfs",
  // A comma ends an option of QEMU's; two stand for one.
  `local,path=${path.replaceAll(",", ",,")},mount_tag=${tag},security_model=none,multidevs=remap,readonly=${isReadOnly ? "on" : "off"}`,
];
