/**
 * A machine as QEMU's command line. Pure: the same machine on the same host gives the same words.
 *
 * Two boards. `microvm` starts fastest: virtio over MMIO, no PCI. `q35` has the timers a guest kernel needs to
 * measure its TSC (see tsc.ts), and room for more devices. All that holds a name or path of others is given
 * as JSON, in which a comma is a comma. Sockets and logs are relative: QEMU runs in the VM's directory.
 */
import { isIPv4 } from "node:net";
import {
  FlintlockError,
  type Machine,
  type MachineDisk,
  type MachineInterface,
  type PortPublication,
  type RateLimits,
} from "@flintlock/core";
import { completedCmdline, kernelCmdline } from "../shared/cmdline.ts";
import { diskSerial } from "../shared/disk-serial.ts";
import { STATUS_LOG } from "../shared/guest-status.ts";
import { virtiofsSocket } from "../shared/virtiofsd-process.ts";
import type { Accelerator } from "./accelerator.ts";
import { withDiskLimits } from "./disk-limits.ts";

export const QMP_SOCKET = "qmp.sock";
export const AGENT_SOCKET = "agent.sock";
export const CONSOLE_SOCKET = "console.sock";
export const CONSOLE_LOG = "console.log";
/** QEMU removes it when it ends in good order */
export const PID_FILE = "vmm.pid";

/** virtio-mmio transports of microvm with ACPI (QEMU: docs/system/i386/microvm.rst) */
const MMIO_SLOTS = 24;
/** Slots of q35's root bus that are not the chipset's own */
const PCI_SLOTS = 28;
/** Random numbers and the serial channels */
const OWN_DEVICES = 2;
/** After stdin, stdout and stderr */
const FIRST_DESCRIPTOR = 3;
/** TCG's code cache defaults to a gigabyte or more of host memory; nothing is lost with these */
const SMALL_CODE_CACHE_MIB = 64;
const LARGE_CODE_CACHE_MIB = 256;
const LARGE_GUEST_MIB = 1024;

export type Board = "microvm" | "q35";

export interface HostFacts {
  readonly accelerator: Accelerator;
  /** Undefined when unknown */
  readonly tscKhz: number | undefined;
}

/** What the kernel needs to find its devices. Kernels built for Firecracker before 6.x have no ACPI. */
export interface KernelFacts {
  readonly hasAcpi: boolean;
}

/** What is in the command line of this VM's QEMU, and of no other process. */
export const vmmMarker = (uid: string): string => `flintlock-${uid}`;

/**
 * Everything after the program's name. `initrd` is the file that QEMU loads, if any.
 * @throws FlintlockError `invalid_spec` – the kernel's command line; `unsupported` – more than QEMU can do
 */
export const qemuArgs = (
  machine: Machine,
  initrd: string | undefined,
  host: HostFacts,
  kernel: KernelFacts,
): readonly string[] => {
  const board = boardFor(machine, host);
  const memory = sharesMemory(machine) ? `,memory-backend=${SHARED_MEMORY}` : "";
  const driver = (name: string): string => `${name}-${board === "microvm" ? "device" : "pci"}`;
  return [
    ["-name", `guest=${vmmMarker(machine.uid)},process=${processName(machine.label)}`],
    ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
    ["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
    board === "microvm"
      ? [
          "-machine",
          // Under KVM the board comes without a clock, and kernels wait in vain for one to answer.
          `microvm,acpi=${kernel.hasAcpi ? "on" : "off"},rtc=on${memory}`,
          "-global",
          "virtio-mmio.force-legacy=false",
        ]
      : ["-machine", `q35,usb=off,vmport=off${memory}`],
    accelArgs(machine, host),
    ["-smp", `cpus=${machine.vcpu}`, "-m", `size=${machine.memoryMib}M`],
    ["-kernel", machine.kernelPath, ...(initrd === undefined ? [] : ["-initrd", initrd])],
    ["-append", appendedTo(machine, board, host)],
    ["-pidfile", PID_FILE, "-qmp", `unix:${QMP_SOCKET},server=on,wait=off`],
    [
      "-chardev",
      `socket,id=console,path=${CONSOLE_SOCKET},server=on,wait=off,logfile=${CONSOLE_LOG},logappend=on`,
    ],
    ["-serial", "chardev:console"],
    ["-object", json({ "qom-type": "rng-random", id: "rng0", filename: "/dev/urandom" })],
    ["-device", json({ driver: driver("virtio-rng"), rng: "rng0" })],
    channelArgs(driver("virtio-serial")),
    disksOf(machine).flatMap((disk, index) =>
      diskArgs(disk, {
        index,
        driver: driver("virtio-blk"),
        // What is ours of the disks is not limited.
        limits: index < machine.disks.length ? (machine.limits ?? {}) : undefined,
      }),
    ),
    networkArgs(machine, driver("virtio-net")),
    balloonArgs(machine, driver("virtio-balloon")),
    filesystemArgs(machine, driver("vhost-user-fs")),
  ].flat();
};

const boardFor = (machine: Machine, host: HostFacts): Board => {
  const own = OWN_DEVICES + (machine.balloonMib === undefined ? 0 : 1);
  const { interfaces, filesystems = [] } = machine;
  const asked = disksOf(machine).length + interfaces.length + filesystems.length;
  const devices = own + asked;
  if (devices > PCI_SLOTS) {
    throw new FlintlockError(
      "unsupported",
      `QEMU takes at most ${PCI_SLOTS - own} volumes and interfaces together; this microVM has ${asked}`,
    );
  }
  const measuresTsc = host.accelerator === "tcg" && host.tscKhz === undefined;
  return measuresTsc || devices > MMIO_SLOTS ? "q35" : "microvm";
};

/** SAFETY: a feature's name has no comma and no '=' (`field-rules.ts`): it cannot be anything but a feature. */
const accelArgs = (
  { memoryMib, cpuFeatures = [] }: Machine,
  { accelerator }: HostFacts,
): readonly string[] => {
  const cpu = (model: string): string => [model, ...cpuFeatures.map((name) => `+${name}`)].join(",");
  if (accelerator === "kvm") return ["-accel", "kvm", "-cpu", cpu("host")];
  const cache = memoryMib >= LARGE_GUEST_MIB ? LARGE_CODE_CACHE_MIB : SMALL_CODE_CACHE_MIB;
  return ["-accel", `tcg,tb-size=${cache}`, "-cpu", cpu("max")];
};

const appendedTo = (machine: Machine, board: Board, host: HostFacts): string => {
  const needed = neededParameters(machine, board, host);
  const { cmdline, wholeCmdline } = machine;
  return wholeCmdline === undefined
    ? kernelCmdline({ ...DEFAULT_PARAMETERS, ...needed }, cmdline)
    : completedCmdline({ ...needed, ...cmdline }, board === "q35" ? withPci(wholeCmdline) : wholeCmdline);
};

/** `panic=-1 reboot=t` with `-no-reboot`: a guest that panics or reboots ends its VMM. */
const DEFAULT_PARAMETERS = {
  console: "ttyS0",
  quiet: "",
  // A quarter of a second of an emulated boot; kernels without the self-tests ignore it.
  "cryptomgr.notests": "",
  panic: "-1",
  reboot: "t",
} as const;

/** What this board's guest cannot find out by itself. */
const neededParameters = (
  machine: Machine,
  board: Board,
  host: HostFacts,
): Readonly<Record<string, string>> => {
  const root = machine.disks[0];
  const knowsTsc = board === "microvm" && host.accelerator === "tcg" && host.tscKhz !== undefined;
  return {
    ...(knowsTsc && { tsc_early_khz: String(host.tscKhz), tsc: "reliable" }),
    ...(root !== undefined && { root: rootOf(root), [root.isReadOnly ? "ro" : "rw"]: "" }),
  };
};

const rootOf = ({ partitionId }: MachineDisk): string =>
  partitionId === undefined ? "/dev/vda" : `PARTUUID=${partitionId}`;

/** COMPAT: lines written for Firecracker say `pci=off`, which is true of its machine; here it would hide the disks. */
const withPci = (line: string): string => line.replaceAll(/(?<=^| )pci=off(?= |$)/g, "");

/** The agent's socket, and the status file that only the guest writes (docs/guest-protocol.md). */
const channelArgs = (driver: string): readonly string[] => [
  ...["-chardev", `socket,id=agent,path=${AGENT_SOCKET},server=on,wait=off`],
  ...["-chardev", `file,id=status,path=${STATUS_LOG},append=on`],
  ...["-device", json({ driver, id: "channels", max_ports: 4 })],
  ...["-device", port(1, "agent"), "-device", port(2, "status")],
];

const port = (nr: number, name: string): string =>
  json({ driver: "virtserialport", bus: "channels.0", nr, chardev: name, name: `dev.flintlock.${name}` });

/** The seed comes last: the volumes keep their letters. */
const disksOf = ({ disks, seed }: Machine): readonly MachineDisk[] =>
  seed === undefined ? disks : [...disks, { ...seed, volumeId: SEED_SERIAL }];

const SEED_SERIAL = "flintlock-cidata";

/** Of a volume's disk, root first. */
export const diskNode = (index: number): string => `disk${index}`;

const diskArgs = (
  disk: MachineDisk,
  {
    index,
    driver,
    limits,
  }: { readonly index: number; readonly driver: string; readonly limits: RateLimits | undefined },
): readonly string[] => {
  const node = diskNode(index);
  const file = { driver: "file", filename: disk.path, discard: "unmap" };
  const block = {
    driver: disk.format,
    "node-name": node,
    "read-only": disk.isReadOnly,
    discard: "unmap",
    file,
  };
  const device = ["-device", json({ driver, drive: node, serial: diskSerial(disk.volumeId) })];
  if (limits === undefined) return ["-blockdev", json(block), ...device];
  const limited = withDiskLimits(block, limits);
  return ["-object", json(limited.group), "-blockdev", json(limited.block), ...device];
};

/**
 * How much it takes is told to QEMU once it listens (`executes` in launch.ts): until then no processor runs. What the guest
 * frees is given back by itself, and what it would run out of it may take.
 */
const balloonArgs = ({ balloonMib }: Machine, driver: string): readonly string[] => {
  if (balloonMib === undefined) return [];
  const device = { driver, id: BALLOON, "free-page-reporting": true, "deflate-on-oom": true };
  return ["-device", json(device), ...(balloonMib > 0 ? ["-S"] : [])];
};

const BALLOON = "balloon";

/** QEMU inherits the descriptors of these, in this order, from `FIRST_DESCRIPTOR` on. */
export const macvtapDevices = ({ interfaces }: Pick<Machine, "interfaces">): readonly string[] =>
  interfaces.flatMap(({ hostDevice }) => (hostDevice?.kind === "macvtap" ? [hostDevice.name] : []));

/** Place of the interface whose network publishes the ports; -1 when there is none. */
export const publisherOf = (interfaces: readonly MachineInterface[]): number =>
  interfaces.findIndex(({ hostDevice }) => hostDevice === undefined);

export const netdevId = (index: number): string => `net${index}`;

const networkArgs = ({ interfaces, ports }: Machine, driver: string): readonly string[] => {
  const publisher = publisherOf(interfaces);
  if (ports.length > 0 && publisher === -1) {
    throw new FlintlockError("unsupported", "ports: QEMU publishes ports of user-mode interfaces only", {
      hint: "A guest on a bridge is reached at its own address.",
    });
  }
  const macvtaps = macvtapDevices({ interfaces });
  return interfaces.flatMap((iface, index) => {
    const published = index === publisher ? ports : [];
    const device = {
      driver,
      netdev: netdevId(index),
      mac: iface.mac,
      // The guest's driver takes it, and no more (virtio 1.2, 5.1.3: VIRTIO_NET_F_MTU).
      ...(iface.hostDevice?.mtu !== undefined && { host_mtu: iface.hostDevice.mtu }),
      ...(driver.endsWith("-pci") && { romfile: "" }),
    };
    const descriptor = FIRST_DESCRIPTOR + macvtaps.indexOf(iface.hostDevice?.name ?? "");
    return ["-netdev", json(netdev(iface, index, published, descriptor)), "-device", json(device)];
  });
};

const netdev = (
  iface: MachineInterface,
  index: number,
  published: readonly PortPublication[],
  descriptor: number,
): object => {
  const id = netdevId(index);
  if (iface.hostDevice?.kind === "tap") {
    return { type: "tap", id, ifname: iface.hostDevice.name, script: "no", downscript: "no" };
  }
  if (iface.hostDevice !== undefined) return { type: "tap", id, fd: String(descriptor) };
  const hostfwd = published.map((each, place) => ({ str: forwardRule(each, place) }));
  // A network each: two interfaces in one subnet would confuse the guest's routes.
  return {
    type: "user",
    id,
    net: `10.0.${2 + index}.0/24`,
    ipv6: false,
    ...(hostfwd.length > 0 && { hostfwd }),
  };
};

export const forwardRule = (
  { protocol, hostIp, hostPort, guestPort }: PortPublication,
  index: number,
): string => {
  if (isIPv4(hostIp)) return `${protocol}:${hostIp}:${hostPort}-:${guestPort}`;
  throw new FlintlockError("unsupported", `ports[${index}].host_ip: QEMU publishes on IPv4 addresses only`, {
    detail: { field: `ports[${index}].host_ip` },
  });
};

const SHARED_MEMORY = "shared-memory";

const sharesMemory = ({ filesystems = [] }: Machine): boolean => filesystems.length > 0;

/** virtiofsd, which listens already, maps the guest's memory (QEMU: docs/system/devices/vhost-user.rst). */
const filesystemArgs = (machine: Machine, driver: string): readonly string[] => {
  if (!sharesMemory(machine)) return [];
  const size = machine.memoryMib * 1024 * 1024;
  const memory = { "qom-type": "memory-backend-memfd", id: SHARED_MEMORY, size, share: true };
  const devices = (machine.filesystems ?? []).flatMap(({ tag }, index) => [
    ...["-chardev", `socket,id=fs${index},path=${virtiofsSocket(index)}`],
    ...["-device", json({ driver, chardev: `fs${index}`, tag })],
  ]);
  return ["-object", json(memory), ...devices];
};

/** Shown by ps; the kernel keeps 15 bytes. */
const processName = (label: string): string => `vm-${label.replaceAll(/[^A-Za-z0-9._-]/g, "-")}`.slice(0, 15);

const json = (value: object): string => JSON.stringify(value);
