/**
 * From what a caller sent to a spec we believe: every rule of every field, with the wire's field names in the
 * errors. Parse, don't validate: what leaves here needs no second look.
 */
import { parseCidr, parseIp } from "./address.ts";
import type { CreateInput, InterfaceInput, VolumeInput } from "./create-input.ts";
import { FlintlockError, invalidField } from "./errors.ts";
import type { BootFile, Kernel, MicroVMSpec, NetworkInterface, ProviderName, Volume } from "./microvm.ts";
import { PROVIDER_NAMES } from "./microvm.ts";
import { parseDeviceId, parseHostInterface, parseMac, parseVolumeId } from "./names.ts";
import { parsePorts, parseProcess, parsePull, parseRestart } from "./process-rules.ts";
import { parseReference } from "./reference.ts";
import { parseRelativePath, parseText, parseTextMap } from "./text-rules.ts";

export interface SpecLimits {
  readonly maxVcpu: number;
  readonly maxMemoryMib: number;
  /** Providers this daemon has, the default first */
  readonly providers: readonly ProviderName[];
  /** Images used when `flintlock.v1` names none */
  readonly bundledKernel: string;
  readonly bundledRoot: string;
}

export const MIN_MEMORY_MIB = 64;
export const MIN_DISK_MIB = 8;
export const MAX_DISK_MIB = 1024 * 1024;
const MAX_VOLUMES = 24;
const MAX_INTERFACES = 8;

/** What v1alpha1 fills in for 0 (upstream's ADR 0241), and what `flintlock.v1` does. */
const DEFAULTS = {
  wire: { vcpu: 2, memoryMib: 1024 },
  extension: { vcpu: 1, memoryMib: 512 },
} as const;

/** @throws FlintlockError `invalid_spec` – with `detail.field` */
export const parseSpec = (input: CreateInput, limits: SpecLimits): MicroVMSpec => {
  const defaults = input.extension === undefined ? DEFAULTS.wire : DEFAULTS.extension;
  const interfaces = parseInterfaces(input.interfaces);
  const ports = parsePorts(input.extension?.ports ?? []);
  if (ports.length > 0 && interfaces.length > 0) {
    throw invalidField("ports", "published ports need the user-mode network: drop them, or the interfaces");
  }
  const initrd = parseInitrd(input);
  const rootVolume = parseRootVolume(input, initrd !== undefined, limits);
  const additionalVolumes = parseAdditionalVolumes(input.additionalVolumes, rootVolume?.id);
  return {
    provider: parseProvider(input.provider, limits.providers),
    labels: parseTextMap(input.labels, "labels", { maxEntries: 64, maxKey: 253, maxValue: 1024 }),
    vcpu: parseWhole(input.vcpu, "vcpu", { default: defaults.vcpu, min: 1, max: limits.maxVcpu }),
    memoryMib: parseWhole(input.memoryInMb, "memory_in_mb", {
      default: defaults.memoryMib,
      min: MIN_MEMORY_MIB,
      max: limits.maxMemoryMib,
    }),
    kernel: parseKernel(input, limits),
    initrd,
    rootVolume,
    additionalVolumes,
    interfaces,
    metadata: parseMetadata(input.metadata),
    allowGuestAgent: input.allowGuestAgent,
    process: parseProcess(input.extension),
    ports,
    boot: input.extension === undefined ? "init-first" : "process-first",
    pull: parsePull(input.extension),
    restart: parseRestart(input.extension),
  };
};

const parseProvider = (text: string, available: readonly ProviderName[]): ProviderName => {
  const [preferred] = available;
  if (preferred === undefined)
    throw new FlintlockError("unsupported", "provider: none is enabled on this host");
  if (text === "" || text === "auto") return preferred;
  const known = PROVIDER_NAMES.find((name) => name === text);
  if (known !== undefined && available.includes(known)) return known;
  throw invalidField(
    "provider",
    `${JSON.stringify(text.slice(0, 40))} isn't available; this host has ${available.join(", ")}`,
  );
};

const parseWhole = (
  value: number,
  field: string,
  rule: { readonly default: number; readonly min: number; readonly max: number },
): number => {
  if (value === 0) return rule.default;
  if (Number.isInteger(value) && value >= rule.min && value <= rule.max) return value;
  throw invalidField(
    field,
    `${value} is out of range: must be ${rule.min} to ${rule.max}, or 0 for ${rule.default}`,
  );
};

const parseKernel = (input: CreateInput, limits: SpecLimits): Kernel => {
  const kernel = input.kernel;
  const isBundled = input.extension !== undefined && (kernel?.image ?? "") === "";
  if (!isBundled && (kernel === undefined || kernel.image.trim() === "")) {
    throw invalidField("kernel.image", "is required: an image reference such as registry.example/kernel:1");
  }
  return {
    image: parseReference(isBundled ? limits.bundledKernel : (kernel?.image ?? ""), "kernel.image"),
    filename: parseBootFilename(kernel?.filename ?? "", "kernel.filename"),
    cmdline: parseCmdline(kernel?.cmdline ?? {}),
    addNetworkConfig: kernel?.addNetworkConfig ?? false,
  };
};

/** What a kernel reads back as it was meant: x86 takes 2048 bytes with its defaults (COMMAND_LINE_SIZE). */
const parseCmdline = (cmdline: Readonly<Record<string, string>>): Readonly<Record<string, string>> => {
  const field = "kernel.cmdline";
  const parsed = parseTextMap(cmdline, field, { maxEntries: 64, maxKey: 128, maxValue: 1024 });
  for (const [key, value] of Object.entries(parsed)) {
    if (/[\s"=]/.test(key))
      throw invalidField(field, `the key ${JSON.stringify(key)} holds a space, quote or =`);
    if (/["\n\r\t]/.test(value)) throw invalidField(`${field}[${key}]`, "holds a quote or a line break");
  }
  const length = Object.entries(parsed).reduce((sum, [key, value]) => sum + key.length + value.length + 4, 0);
  if (length > MAX_CMDLINE)
    throw invalidField(field, `is ${length} characters long; at most ${MAX_CMDLINE} are possible`);
  return parsed;
};

const MAX_CMDLINE = 1800;

/** Keys become file names on a metadata disk and paths of a metadata service. */
const parseMetadata = (metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> => {
  const parsed = parseTextMap(metadata, "metadata", { maxEntries: 32, maxKey: 128, maxValue: 512 * 1024 });
  const bad = Object.keys(parsed).find(
    (key) => !/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(key) || key.includes(".."),
  );
  if (bad !== undefined)
    throw invalidField("metadata", `the key ${JSON.stringify(bad)} is not a name such as user-data`);
  return parsed;
};

const parsePartitionId = (text: string, field: string): string => {
  if (/^[0-9A-Za-z-]{1,64}$/.test(text)) return text;
  throw invalidField(field, "must be a partition's UUID: letters, digits and dashes");
};

const parseInitrd = (input: CreateInput): BootFile | undefined => {
  if (input.initrd === undefined) return undefined;
  return {
    image: parseReference(input.initrd.image, "initrd.image"),
    filename: parseBootFilename(input.initrd.filename, "initrd.filename"),
  };
};

const parseBootFilename = (text: string, field: string): string =>
  text === "" ? "" : parseRelativePath(text, field);

const parseRootVolume = (input: CreateInput, hasInitrd: boolean, limits: SpecLimits): Volume | undefined => {
  const volume = input.rootVolume;
  const isEmpty =
    volume === undefined || ((volume.containerSource ?? "") === "" && volume.virtiofsSource === undefined);
  if (isEmpty && input.extension === undefined) {
    if (hasInitrd && (volume === undefined || volume.id === "")) return undefined;
    throw invalidField(
      "root_volume.source",
      "is required: container_source with an image reference, or an initrd",
    );
  }
  if (volume?.virtiofsSource !== undefined) {
    throw invalidField("root_volume.source.virtiofs_source", "cannot be the root; use container_source");
  }
  const source = isEmpty ? limits.bundledRoot : (volume.containerSource ?? "");
  return parseVolume(
    { ...(volume ?? EMPTY_VOLUME), id: volume?.id || "root", containerSource: source },
    "root_volume",
  );
};

const EMPTY_VOLUME: VolumeInput = {
  id: "",
  isReadOnly: false,
  mountPoint: undefined,
  containerSource: undefined,
  virtiofsSource: undefined,
  partitionId: undefined,
  sizeInMb: undefined,
};

const parseAdditionalVolumes = (
  inputs: readonly VolumeInput[],
  rootId: string | undefined,
): readonly Volume[] => {
  if (inputs.length > MAX_VOLUMES)
    throw invalidField("additional_volumes", `at most ${MAX_VOLUMES} are possible`);
  const volumes = inputs.map((input, index) => parseVolume(input, `additional_volumes[${index}]`));
  const seen = new Set(rootId === undefined ? [] : [rootId]);
  for (const [index, volume] of volumes.entries()) {
    if (seen.has(volume.id)) {
      throw invalidField(
        `additional_volumes[${index}].id`,
        `'${volume.id}' is used twice; ids are unique in a microVM`,
      );
    }
    seen.add(volume.id);
  }
  return volumes;
};

const parseVolume = (input: VolumeInput, field: string): Volume => {
  const { containerSource, virtiofsSource } = input;
  if (containerSource !== undefined && virtiofsSource !== undefined) {
    throw invalidField(`${field}.source`, "has both container_source and virtiofs_source; give one");
  }
  return {
    id: parseVolumeId(input.id, `${field}.id`),
    isReadOnly: input.isReadOnly,
    mountPoint: input.mountPoint ? parseMountPoint(input.mountPoint, `${field}.mount_point`) : undefined,
    source:
      virtiofsSource !== undefined
        ? { kind: "virtiofs", hostPath: parseText(virtiofsSource, `${field}.source.virtiofs_source`, 4096) }
        : { kind: "image", image: parseReference(containerSource ?? "", `${field}.source.container_source`) },
    partitionId: input.partitionId ? parsePartitionId(input.partitionId, `${field}.partition_id`) : undefined,
    sizeMib: parseSize(input.sizeInMb, `${field}.size_in_mb`),
  };
};

const parseSize = (value: number | undefined, field: string): number | undefined => {
  if (value === undefined || value === 0) return undefined;
  if (Number.isInteger(value) && value >= MIN_DISK_MIB && value <= MAX_DISK_MIB) return value;
  throw invalidField(
    field,
    `${value} is out of range: must be ${MIN_DISK_MIB} to ${MAX_DISK_MIB}, or 0 for the default`,
  );
};

const parseMountPoint = (text: string, field: string): string => {
  if (!text.startsWith("/")) throw invalidField(field, "must be an absolute path in the guest");
  return `/${parseRelativePath(text.replace(/^\/+/, ""), field)}`;
};

const parseInterfaces = (inputs: readonly InterfaceInput[]): readonly NetworkInterface[] => {
  if (inputs.length > MAX_INTERFACES)
    throw invalidField("interfaces", `at most ${MAX_INTERFACES} are possible`);
  const seen = new Set<string>();
  return inputs.map((input, index) => {
    const field = `interfaces[${index}]`;
    const deviceId = parseDeviceId(input.deviceId, `${field}.device_id`);
    if (seen.has(deviceId)) throw invalidField(`${field}.device_id`, `'${deviceId}' is used twice`);
    seen.add(deviceId);
    return parseInterface(input, deviceId, field);
  });
};

const parseInterface = (input: InterfaceInput, deviceId: string, field: string): NetworkInterface => {
  if (input.type !== 0 && input.type !== 1) {
    throw invalidField(`${field}.type`, `${input.type} is not known: use MACVTAP (0) or TAP (1)`);
  }
  const { address } = input;
  return {
    deviceId,
    type: input.type === 1 ? "tap" : "macvtap",
    guestMac: input.guestMac ? parseMac(input.guestMac, `${field}.guest_mac`) : undefined,
    address:
      address === undefined
        ? undefined
        : {
            address: cidrText(address.address, `${field}.address.address`),
            gateway: address.gateway ? gatewayIp(address.gateway, `${field}.address.gateway`) : undefined,
            nameservers: address.nameservers.map((ip, i) =>
              parseIp(ip, `${field}.address.nameservers[${i}]`),
            ),
          },
    bridge: input.bridgeName
      ? parseHostInterface(input.bridgeName, `${field}.overrides.bridge_name`)
      : undefined,
    isUserMode: false,
  };
};

const cidrText = (text: string, field: string): string => {
  const cidr = parseCidr(text, field);
  return `${cidr.ip}/${cidr.prefix}`;
};

/** COMPAT: upstream demands a CIDR and drops the prefix; a bare address means the same. */
const gatewayIp = (text: string, field: string): string =>
  text.includes("/") ? parseCidr(text, field).ip : parseIp(text, field);
