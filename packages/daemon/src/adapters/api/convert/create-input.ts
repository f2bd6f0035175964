/** Wire spec to `CreateInput`: only shapes change here, the rules are the core's. */
import type { ext, types } from "@flintlock/api";
import type {
  CreateInput,
  ExtensionInput,
  InterfaceInput,
  KernelInput,
  PortInput,
  VolumeInput,
} from "@flintlock/core";

export const createInputOf = (
  spec: types.MicroVMSpec,
  extension: ExtensionInput | undefined,
): CreateInput => ({
  id: spec.id,
  namespace: spec.namespace,
  labels: spec.labels,
  vcpu: spec.vcpu,
  memoryInMb: spec.memoryInMb,
  kernel: spec.kernel && kernelInput(spec.kernel),
  initrd: spec.initrd && { image: imageText(spec.initrd.image), filename: spec.initrd.filename ?? "" },
  rootVolume: spec.rootVolume && volumeInput(spec.rootVolume),
  additionalVolumes: spec.additionalVolumes.map(volumeInput),
  interfaces: spec.interfaces.map(interfaceInput),
  metadata: extension === undefined ? inBase64(spec.metadata) : spec.metadata,
  provider: spec.provider ?? "",
  allowGuestAgent: spec.allowGuestAgent,
  ...(spec.cpuConfig !== undefined && {
    cpuConfig: {
      featuresToEnable: spec.cpuConfig.featuresToEnable,
      kvmCapabilitiesToDisable: spec.cpuConfig.kvmCapabilitiesToDisable,
    },
  }),
  extension,
});

const kernelInput = (kernel: types.Kernel): KernelInput => ({
  image: imageText(kernel.image),
  filename: kernel.filename ?? "",
  cmdline: kernel.cmdline,
  addNetworkConfig: kernel.addNetworkConfig,
});

const volumeInput = (volume: types.Volume): VolumeInput => ({
  id: volume.id,
  isReadOnly: volume.isReadOnly,
  mountPoint: volume.mountPoint,
  containerSource:
    volume.source?.containerSource === undefined ? undefined : imageText(volume.source.containerSource),
  virtiofsSource: volume.source?.virtiofsSource,
  partitionId: volume.partitionId,
  sizeInMb: volume.sizeInMb,
});

const interfaceInput = (iface: types.NetworkInterface): InterfaceInput => ({
  deviceId: iface.deviceId,
  type: iface.type,
  guestMac: iface.guestMac,
  address: iface.address && {
    address: iface.address.address,
    gateway: iface.address.gateway,
    nameservers: iface.address.nameservers,
  },
  bridgeName: iface.overrides?.bridgeName,
});

/** What the daemon itself reads, in upstream as here: base64 or refused. */
const READ_BY_US: ReadonlySet<string> = new Set(["meta-data", "vendor-data"]);

/**
 * COMPAT: `fl --metadata-from-file` sends files as they are, and upstream's Firecracker provider passes on as it is what is
 * not base64.
 */
const inBase64 = (metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(metadata).map(([key, value]) => [
      key,
      READ_BY_US.has(key) || isBase64(value) ? value : Buffer.from(value).toString("base64"),
    ]),
  );

const isBase64 = (text: string): boolean => text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);

/** COMPAT: upstream's converter trims image references and drops control characters from them. */
const imageText = (reference: string): string => reference.trim().replace(/\p{Cc}/gu, "");

export const extensionInputOf = (request: ext.CreateRequest): ExtensionInput => {
  const { process, ports, limits } = request;
  const entrypoint = process?.entrypoint ?? [];
  return {
    // A list cannot say "absent" on the wire: empty keeps the image's
    command: process === undefined || process.command.length === 0 ? undefined : process.command,
    // A non-empty entrypoint speaks for itself; only removing it needs the flag
    entrypoint: process?.setEntrypoint || entrypoint.length > 0 ? entrypoint : undefined,
    env: process?.env ?? {},
    user: process?.user ?? "",
    cwd: process?.cwd ?? "",
    tty: process?.tty ?? false,
    attach: process?.attach ?? false,
    ports: ports.map(portInput),
    restart: RESTART_INPUT[request.restart] ?? String(request.restart),
    maxRestarts: request.maxRestarts,
    pull: request.pull,
    limits: limits && {
      networkBytesPerSecond: Number(limits.networkBytesPerSecond),
      diskBytesPerSecond: Number(limits.diskBytesPerSecond),
      diskOpsPerSecond: limits.diskOpsPerSecond,
    },
    balloonMib: request.balloonMib,
    isProtected: request.protected,
    expiry: request.expiry && {
      ttlSeconds: request.expiry.ttlSeconds,
      idleSeconds: request.expiry.idleSeconds,
      action: ACTION_INPUT[request.expiry.action] ?? String(request.expiry.action),
    },
    readyWhen: request.readyWhen && {
      conditions: request.readyWhen.conditions,
      timeoutSeconds: request.readyWhen.timeoutSeconds,
    },
  };
};

export const portInput = ({ hostIp, hostPort, guestPort, protocol }: ext.Port): PortInput => ({
  hostIp,
  hostPort,
  guestPort,
  protocol,
});

/** By number; an unknown one goes on as its digits, for the core to refuse by name. */
export const RESTART_INPUT: Readonly<Record<number, string>> = {
  0: "",
  1: "no",
  2: "always",
  3: "on-failure",
  4: "unless-stopped",
};

/** Likewise. */
export const ACTION_INPUT: Readonly<Record<number, string>> = { 0: "", 1: "delete", 2: "stop" };
