/** The flags `run` and `create` share, and the request they make. */
import { readFile } from "node:fs/promises";
import { create, ext, type MessageInitShape, mergeMessages, type types } from "@flintlock/client";
import type { Command } from "commander";
import { usageError } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { type ExpiryFlags, expiryOf } from "./expiry-flags.ts";
import { GUEST_CONDITIONS, parseGuestConditions } from "./guest-conditions.ts";
import {
  parseChoice,
  parseCount,
  parseEnv,
  parseEnvFile,
  parseNetwork,
  parsePairs,
  parsePort,
  parseVolume,
} from "./parse-flags.ts";
import { readBounded } from "./read-bounded.ts";
import { readSpecFile } from "./spec-file.ts";
import { parseBytes, parseDurationMs, parseMib } from "./units.ts";
import { collect } from "./verb.ts";

export const PULL_POLICIES = ["missing", "always", "never"] as const;
export type PullPolicy = (typeof PULL_POLICIES)[number];
/** `IfaceType.TAP` */
const INTERFACE_TAP = 1;

type SpecInit = Exclude<MessageInitShape<typeof types.MicroVMSpecSchema>, { $typeName: string }>;

export interface VmFlags extends ExpiryFlags {
  readonly name?: string;
  readonly cpus?: string;
  readonly memory?: string;
  readonly disk?: string;
  readonly env?: readonly string[];
  readonly envFile?: readonly string[];
  readonly publish?: readonly string[];
  readonly label?: readonly string[];
  readonly volume?: readonly string[];
  readonly net?: string;
  readonly kernel?: string;
  readonly kernelFile?: string;
  readonly initrd?: string;
  readonly initrdFile?: string;
  readonly cmdline?: readonly string[];
  readonly provider?: string;
  readonly diskBps?: string;
  readonly diskIops?: string;
  readonly netBps?: string;
  readonly balloon?: string;
  readonly restart?: string;
  readonly ready?: readonly string[];
  readonly readyTimeout?: string;
  readonly pull?: string;
  readonly workdir?: string;
  readonly user?: string;
  readonly entrypoint?: string;
  readonly userData?: string;
  readonly file?: string;
}

export const addVmFlags = (command: Command): void => {
  command
    .optionsGroup("MicroVM flags:")
    .option("-n, --name <name>", "name; generated when absent")
    .option("-c, --cpus <n>", "virtual CPUs")
    .option("-m, --memory <size>", "memory, e.g. 512M or 2G")
    .option("--disk <size>", "size of the root filesystem, e.g. 10G")
    .option("-e, --env <K=V>", "environment; K alone takes its value from here", collect)
    .option("--env-file <file>", "file of K=V lines", collect)
    .option("-p, --publish <[ip:]host:guest[/udp]>", "publish a guest port on the host", collect)
    .option("-l, --label <K=V>", "label", collect)
    .option("--volume <source:/path[:ro]>", "further volume from an image or a host directory", collect)
    .option("--net <user|bridge=NAME>", "network: user mode, or a TAP on a bridge")
    .option("--kernel <image>", "image with the kernel")
    .option("--kernel-file <path>", "the kernel's path in its image")
    .option("--initrd <image>", "image with the initrd")
    .option("--initrd-file <path>", "the initrd's path in its image")
    .option("--cmdline <K=V>", "kernel argument, added or replaced", collect)
    .option("--provider <name>", "auto, firecracker, cloudhypervisor or qemu")
    .option("--disk-bps <size>", "bytes per second of each disk, e.g. 20M")
    .option("--disk-iops <n>", "requests per second of each disk")
    .option("--net-bps <size>", "bytes per second of each interface, each way")
    .option("--balloon <size>", "memory to give back to begin with, e.g. 256M; 0 for a balloon alone")
    .option("--restart <policy>", "when the guest ends: no, on-failure[:n], unless-stopped or always")
    .option("--ttl <duration>", "delete it after this long, e.g. 1h")
    .option("--idle <duration>", "stop it when it is ready and nobody has had a session in it for this long")
    .option("--expire <delete|stop>", "do this instead, when either time is over")
    .option("--ready <condition>", `it runs once its guest has come to: ${GUEST_CONDITIONS}`, collect)
    .option("--ready-timeout <duration>", "it has failed when that takes longer; 5m when absent")
    .option("--pull <missing|always|never>", "when to fetch the image")
    .option("-w, --workdir <path>", "working directory of the command")
    .option("-u, --user <user[:group]>", "user of the command")
    .option("--entrypoint <program>", "instead of the image's; empty for none")
    .option("--user-data <file>", "cloud-init user data")
    .option("-f, --file <spec>", "spec in JSON or YAML, also of hammertime or flintlock; - for stdin");
};

/** What to run, from the command line. */
export interface RunTarget {
  readonly image: string | undefined;
  readonly command: readonly string[];
}

/**
 * The request. Flags are laid over the spec file as protobuf merges messages: a value replaces, a list is
 * appended to, a map is added to. @throws CliError `usage`
 */
export const createRequest = async (
  context: Context,
  flags: VmFlags,
  target: RunTarget,
  stdio: { readonly isAttached: boolean; readonly isTty: boolean },
): Promise<ext.CreateRequest> => {
  const own = create(ext.CreateRequestSchema, {
    microvm: await specOf(context, flags, target),
    process: await processOf(context, flags, target),
    ports: (flags.publish ?? []).map(parsePort),
    ...(flags.restart === undefined ? {} : parseRestart(flags.restart)),
    ...readyWhenOf(flags),
    ...expiryOf(flags),
    pull: pullPolicy(flags),
    ...limitsOf(flags),
    ...(flags.balloon === undefined ? {} : { balloonMib: balloonOf(flags.balloon) }),
  });
  const request =
    flags.file === undefined
      ? own
      : mergeMessages(ext.CreateRequestSchema, await readSpecFile(context.io, flags.file), own);
  const process = request.process ?? create(ext.ProcessSchema);
  return { ...request, process: { ...process, tty: stdio.isTty, attach: stdio.isAttached } };
};

export const pullPolicy = (flags: VmFlags): PullPolicy =>
  flags.pull === undefined ? "missing" : parseChoice("--pull", flags.pull, PULL_POLICIES);

const RESTART_POLICIES = {
  no: ext.RestartPolicy.NO,
  "on-failure": ext.RestartPolicy.ON_FAILURE,
  "unless-stopped": ext.RestartPolicy.UNLESS_STOPPED,
  always: ext.RestartPolicy.ALWAYS,
} as const;

/** docker's spelling: `on-failure:3` is restarted three times. */
export const parseRestart = (
  text: string,
): { readonly restart: ext.RestartPolicy; readonly maxRestarts?: number } => {
  const [policy = "", count, ...more] = text.split(":");
  const names = Object.keys(RESTART_POLICIES) as (keyof typeof RESTART_POLICIES)[];
  const restart = RESTART_POLICIES[parseChoice("--restart", policy, names)];
  if (count === undefined) return { restart };
  if (policy === "on-failure" && more.length === 0) {
    return { restart, maxRestarts: positive("--restart on-failure:", count) };
  }
  throw usageError(`--restart ${text}: only on-failure takes a number, as in on-failure:3`);
};

const specOf = async (context: Context, flags: VmFlags, target: RunTarget): Promise<SpecInit> => {
  const kernel = kernelOf(flags);
  const initrd = initrdOf(flags);
  const rootVolume = rootVolumeOf(flags, target.image);
  return {
    ...(flags.name === undefined ? {} : { id: requireText("--name", flags.name) }),
    namespace: context.globals.namespace,
    ...(flags.cpus === undefined ? {} : { vcpu: positive("--cpus", flags.cpus) }),
    ...(flags.memory === undefined ? {} : { memoryInMb: parseMib("--memory", flags.memory) }),
    ...(flags.provider === undefined ? {} : { provider: flags.provider }),
    ...(kernel === undefined ? {} : { kernel }),
    ...(initrd === undefined ? {} : { initrd }),
    ...(rootVolume === undefined ? {} : { rootVolume }),
    ...(flags.userData === undefined ? {} : { metadata: await userData(flags.userData) }),
    interfaces: interfacesOf(flags.net),
    labels: parsePairs("--label", flags.label ?? []),
    additionalVolumes: (flags.volume ?? []).map(volumeOf),
  };
};

const limitsOf = ({ diskBps, diskIops, netBps }: VmFlags) => {
  if (diskBps === undefined && diskIops === undefined && netBps === undefined) return {};
  const bytes = (flag: string, text: string | undefined) =>
    text === undefined ? 0n : BigInt(parseBytes(flag, text));
  return {
    limits: {
      diskBytesPerSecond: bytes("--disk-bps", diskBps),
      diskOpsPerSecond: diskIops === undefined ? 0 : positive("--disk-iops", diskIops),
      networkBytesPerSecond: bytes("--net-bps", netBps),
    },
  };
};

const readyWhenOf = ({ ready, readyTimeout }: VmFlags) => {
  if (ready === undefined && readyTimeout !== undefined) throw usageError("--ready-timeout needs --ready");
  if (ready === undefined) return {};
  const seconds =
    readyTimeout === undefined ? 0 : Math.ceil(parseDurationMs("--ready-timeout", readyTimeout) / 1000);
  return { readyWhen: { conditions: [...parseGuestConditions("--ready", ready)], timeoutSeconds: seconds } };
};

/** 0 takes nothing. */
export const balloonOf = (text: string): number => (text.trim() === "0" ? 0 : parseMib("--balloon", text));

const kernelOf = ({ kernel: image, kernelFile: filename, cmdline }: VmFlags): SpecInit["kernel"] => {
  if (image === undefined && filename === undefined && cmdline === undefined) return undefined;
  return {
    ...(image === undefined ? {} : { image, addNetworkConfig: true }),
    ...(filename === undefined ? {} : { filename }),
    cmdline: parsePairs("--cmdline", cmdline ?? []),
  };
};

const initrdOf = ({ initrd: image, initrdFile: filename }: VmFlags): SpecInit["initrd"] => {
  if (image === undefined && filename !== undefined) throw usageError("--initrd-file needs --initrd");
  return image === undefined ? undefined : { image, ...(filename === undefined ? {} : { filename }) };
};

const rootVolumeOf = (flags: VmFlags, image: string | undefined): SpecInit["rootVolume"] => {
  if (image === undefined && flags.disk === undefined) return undefined;
  return {
    id: "root",
    ...(image === undefined ? {} : { source: { containerSource: image } }),
    ...(flags.disk === undefined ? {} : { sizeInMb: parseMib("--disk", flags.disk) }),
  };
};

const volumeOf = (text: string, index: number) => {
  const { source, mountPoint, isReadOnly } = parseVolume(text);
  return {
    id: `volume${index + 1}`,
    isReadOnly,
    mountPoint,
    source: source.startsWith("/") ? { virtiofsSource: source } : { containerSource: source },
  };
};

/** Upstream keeps eth0 for the metadata service, so a guest's own first interface is eth1. */
const interfacesOf = (net: string | undefined): NonNullable<SpecInit["interfaces"]> => {
  const network = parseNetwork(net ?? "user");
  // No interface at all means the provider's user-mode network.
  if (network.kind === "user") return [];
  return [{ deviceId: "eth1", type: INTERFACE_TAP, overrides: { bridgeName: network.bridge } }];
};

const MAX_USER_DATA_BYTES = 1024 * 1024;

const userData = async (file: string): Promise<Record<string, string>> => ({
  "user-data": (await readBounded("--user-data", file, MAX_USER_DATA_BYTES)).toString("base64"),
});

const processOf = async (
  context: Context,
  flags: VmFlags,
  target: RunTarget,
): Promise<MessageInitShape<typeof ext.ProcessSchema>> => {
  const { env } = context.io;
  const files = await Promise.all(
    (flags.envFile ?? []).map(async (file) => parseEnvFile(await readFile(file, "utf8"), file, env)),
  ).catch((error: unknown) => {
    throw error instanceof Error && "errno" in error ? usageError(`--env-file: ${error.message}`) : error;
  });
  return {
    ...(target.command.length === 0 ? {} : { command: [...target.command] }),
    ...(flags.entrypoint === undefined
      ? {}
      : { setEntrypoint: true, entrypoint: flags.entrypoint === "" ? [] : [flags.entrypoint] }),
    env: Object.assign({}, ...files, parseEnv(flags.env ?? [], env)),
    ...(flags.user === undefined ? {} : { user: flags.user }),
    ...(flags.workdir === undefined ? {} : { cwd: flags.workdir }),
  };
};

const requireText = (flag: string, text: string): string => {
  if (text === "") throw usageError(`${flag}: must not be empty`);
  return text;
};

const positive = (flag: string, text: string): number => {
  const number = parseCount(flag, text);
  if (number < 1) throw usageError(`${flag} ${text}: expected 1 or more`);
  return number;
};
