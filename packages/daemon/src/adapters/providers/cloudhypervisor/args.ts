/**
 * Cloud Hypervisor's command line. A VM is configured over the API, but for one with a MACVTAP interface: its descriptor
 * is inherited, and only the command line can name it (`vm.create` takes none in any release, and Node cannot send one
 * over a socket). Then the same `VmConfig` is written as options, and the VMM creates and boots by itself.
 */
import { FlintlockError, type MachineInterface } from "@flintlock/core";
import { isAtLeast, type Version } from "./version.ts";
import type { DiskConfig, NetConfig, RateLimiter, VmConfig } from "./vm-config.ts";

/** COMPAT: upstream's name for it */
export const API_SOCKET = "cloudhypervisor.sock";
/** After stdin, stdout and stderr: where its events go, then the MACVTAP links */
const EVENTS_DESCRIPTOR = 3;
const FIRST_MACVTAP_DESCRIPTOR = 4;

/** What is in the command line of this VM's VMM, as its first word, and of no other process. */
export const vmmMarker = (uid: string): string => `flintlock-${uid}`;

/** The VMM inherits the descriptors of these, in this order, behind that of its events. */
export const macvtapsOf = (interfaces: readonly MachineInterface[]): readonly string[] =>
  interfaces.flatMap(({ hostDevice }) => (hostDevice?.kind === "macvtap" ? [hostDevice.name] : []));

/** A VMM that waits to be told its VM. Seccomp filters are on unless they are turned off. */
export const BARE_ARGS: readonly string[] = [
  ...["--api-socket", API_SOCKET],
  // By descriptor, for the VMM itself would not append.
  ...["--event-monitor", `fd=${EVENTS_DESCRIPTOR}`],
];

/**
 * A VMM that boots at once; an interface without a TAP's name takes the next descriptor.
 * @throws FlintlockError `unsupported` – a path that its options cannot hold
 */
export const vmArgs = (config: VmConfig, version: Version): readonly string[] => {
  const { payload, cpus, memory, disks, net, fs = [], rng, balloon, vsock } = config;
  let descriptor = FIRST_MACVTAP_DESCRIPTOR;
  const nets = net.map((each) => options(netOptions(each, () => descriptor++)));
  return [
    BARE_ARGS,
    // In one word, for a line may begin with a dash.
    ["--kernel", payload.kernel, `--cmdline=${payload.cmdline}`],
    payload.initramfs === undefined ? [] : ["--initramfs", payload.initramfs],
    ["--cpus", options({ boot: cpus.boot_vcpus, max: cpus.max_vcpus })],
    ["--memory", options({ size: memory.size, shared: memory.shared, hotplug_size: memory.hotplug_size })],
    ["--disk", ...disks.map((disk) => options(diskOptions(disk, version)))],
    ["--net", ...nets],
    fs.length === 0 ? [] : ["--fs", ...fs.map((each) => options({ ...each }))],
    ["--rng", options({ src: rng.src })],
    balloon === undefined
      ? []
      : ["--balloon", options({ size: balloon.size, deflate_on_oom: balloon.deflate_on_oom })],
    vsock === undefined ? [] : ["--vsock", options({ cid: vsock.cid, socket: vsock.socket })],
    ["--serial", config.serial.mode.toLowerCase(), "--console", config.console.mode.toLowerCase()],
  ].flat();
};

type Options = Readonly<Record<string, string | number | boolean | undefined>>;

const diskOptions = (disk: DiskConfig, version: Version): Options => ({
  path: disk.path,
  readonly: disk.readonly,
  serial: disk.serial,
  // On the command line an option that is not known is refused.
  image_type: isAtLeast(version, 50, 1) ? disk.image_type.toLowerCase() : undefined,
  ...limits(disk.rate_limiter_config),
});

const netOptions = (net: NetConfig, nextDescriptor: () => number): Options => ({
  tap: net.tap,
  fd: net.tap === undefined ? nextDescriptor() : undefined,
  mac: net.mac,
  mtu: net.mtu,
  ...limits(net.rate_limiter_config),
});

const limits = ({ bandwidth, ops }: RateLimiter = {}): Options => ({
  bw_size: bandwidth?.size,
  bw_refill_time: bandwidth?.refill_time,
  ops_size: ops?.size,
  ops_refill_time: ops?.refill_time,
});

const options = (each: Options): string =>
  Object.entries(each)
    .flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${written(value)}`]))
    .join(",");

const written = (value: string | number | boolean): string => {
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "number" || !/[,[\]"\s]/.test(value)) return String(value);
  // In quotes only a quote has a meaning, and nothing escapes it; before v50 brackets counted in them too.
  if (!/["[\]]/.test(value) && value.trim() === value) return `"${value}"`;
  throw new FlintlockError(
    "unsupported",
    `Cloud Hypervisor cannot be given the path ${JSON.stringify(value)}`,
    {
      hint: "Beside a MACVTAP interface no path may hold a quote or bracket, or end in a space.",
    },
  );
};
