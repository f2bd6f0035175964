/** Flags and environment to one frozen `Config`. The only reader of `process.env` in the daemon. */
import { existsSync, statSync } from "node:fs";
import { homedir, totalmem } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { FlintlockError, PROVIDER_NAMES, type ProviderName, parseHostInterface } from "@flintlock/core";

export interface Config {
  /** Unix socket for gRPC and HTTP */
  readonly socketPath: string;
  /** TCP endpoints, `host:port`; undefined = off */
  readonly grpcEndpoint: string | undefined;
  readonly httpEndpoint: string | undefined;
  readonly stateDir: string;
  /** OCI layout with the bundled kernel and root */
  readonly guestImagesDir: string;
  readonly defaultProvider: ProviderName;
  readonly qemuBinary: string;
  readonly accelerator: "auto" | "kvm" | "tcg";
  readonly bridgeName: string | undefined;
  /** The link that MACVTAP interfaces share */
  readonly parentInterface: string | undefined;
  /** Bridges that a request may name besides `bridgeName` */
  readonly allowedBridges: readonly string[];
  /** `host[:port]` of registries that speak plain http */
  readonly insecureRegistries: readonly string[];
  readonly dockerConfigPath: string;
  /** Refuse a second microVM of one namespace and id over v1alpha1 too */
  readonly hasUniqueNames: boolean;
  readonly maxParallelBoots: number;
  readonly deleteGraceMs: number;
  readonly resyncMs: number;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly maxMemoryMib: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const OPTIONS = {
  socket: { type: "string" },
  "grpc-endpoint": { type: "string" },
  "http-endpoint": { type: "string" },
  insecure: { type: "boolean" },
  "state-dir": { type: "string" },
  "guest-images": { type: "string" },
  "default-provider": { type: "string" },
  "qemu-bin": { type: "string" },
  accelerator: { type: "string" },
  "bridge-name": { type: "string" },
  "parent-iface": { type: "string" },
  "allow-bridge": { type: "string", multiple: true },
  "insecure-registry": { type: "string", multiple: true },
  "unique-names": { type: "boolean" },
  "max-parallel-boots": { type: "string" },
  "delete-timeout": { type: "string" },
  "resync-period": { type: "string" },
  "log-level": { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

export const HELP = `flintlockd looks after microVMs on this host.

Usage: flintlockd run [flags]
       flintlockd version

  --socket PATH             Unix socket for gRPC and HTTP, owner only
  --grpc-endpoint HOST:PORT gRPC on TCP as well (off)
  --http-endpoint HOST:PORT HTTP on TCP as well (off)
  --insecure                allow TCP endpoints that are not loopback, without TLS
  --state-dir DIR           records, images and disks
  --guest-images DIR        OCI layout made by 'npm run guest-images'
  --default-provider NAME   qemu (default) or simulated (no VMs at all: for tests of what talks to us)
  --qemu-bin PATH           qemu-system-x86_64
  --accelerator NAME        auto (default: probed), kvm or tcg
  --bridge-name NAME        bridge that TAP interfaces join
  --parent-iface NAME       link that MACVTAP interfaces share
  --allow-bridge NAME       a further bridge that requests may name; repeatable
  --insecure-registry HOST[:PORT]  registry that speaks plain http; repeatable
  --unique-names            refuse a name in use over v1alpha1 too (upstream allows it)
  --max-parallel-boots N    boots at once; the number of processors, at least 2
  --delete-timeout SECONDS  time a guest gets to end by itself on delete (10)
  --resync-period SECONDS   how often everything is looked at again (600)
  --log-level LEVEL         debug, info (default), warn or error
`;

/** @throws FlintlockError `invalid_spec` – names the flag */
export const parseConfig = (args: readonly string[], env: Environment, cpus: number): Config | "help" => {
  const { values } = parse(args);
  if (values.help === true) return "help";
  const uid = process.geteuid?.() ?? 0;
  const stateDir = absolute(values["state-dir"] ?? defaultStateDir(env, uid), "state-dir");
  const allowsAny = values.insecure === true;
  return Object.freeze({
    socketPath: absolute(values.socket ?? defaultSocketPath(env, uid), "socket"),
    grpcEndpoint: endpoint(values["grpc-endpoint"], "grpc-endpoint", allowsAny),
    httpEndpoint: endpoint(values["http-endpoint"], "http-endpoint", allowsAny),
    stateDir,
    guestImagesDir: absolute(
      values["guest-images"] ?? env["FLINTLOCK_GUEST_IMAGES"] ?? builtImages(),
      "guest-images",
    ),
    defaultProvider: oneOf(values["default-provider"] ?? "qemu", PROVIDER_NAMES, "default-provider"),
    qemuBinary: values["qemu-bin"] ?? "qemu-system-x86_64",
    accelerator: oneOf(values.accelerator ?? "auto", ["auto", "kvm", "tcg"] as const, "accelerator"),
    bridgeName:
      values["bridge-name"] === undefined
        ? undefined
        : parseHostInterface(values["bridge-name"], "--bridge-name"),
    parentInterface:
      values["parent-iface"] === undefined
        ? undefined
        : parseHostInterface(values["parent-iface"], "--parent-iface"),
    allowedBridges: (values["allow-bridge"] ?? []).map((name) => parseHostInterface(name, "--allow-bridge")),
    insecureRegistries: values["insecure-registry"] ?? [],
    dockerConfigPath: join(env["DOCKER_CONFIG"] || join(home(env), ".docker"), "config.json"),
    hasUniqueNames: values["unique-names"] === true,
    maxParallelBoots: whole(values["max-parallel-boots"], "max-parallel-boots", Math.max(2, cpus), 1, 1024),
    deleteGraceMs: whole(values["delete-timeout"], "delete-timeout", 10, 0, 3600) * 1000,
    resyncMs: whole(values["resync-period"], "resync-period", 600, 1, 86_400) * 1000,
    logLevel: oneOf(values["log-level"] ?? "info", ["debug", "info", "warn", "error"] as const, "log-level"),
    // COMPAT: upstream's limit, or the host's memory where that is more.
    maxMemoryMib: Math.max(32_768, Math.floor(totalmem() / 1024 ** 2)),
  });
};

const parse = (args: readonly string[]) => {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false });
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new FlintlockError("invalid_spec", words, { hint: "flintlockd run --help lists the flags", cause });
  }
};

const flagError = (flag: string, problem: string): FlintlockError =>
  new FlintlockError("invalid_spec", `--${flag}: ${problem}`, { detail: { field: flag } });

const oneOf = <T extends string>(text: string, allowed: readonly T[], flag: string): T => {
  const found = allowed.find((value) => value === text);
  if (found === undefined) throw flagError(flag, `'${text}' is not one of ${allowed.join(", ")}`);
  return found;
};

const whole = (
  text: string | undefined,
  flag: string,
  byDefault: number,
  min: number,
  max: number,
): number => {
  if (text === undefined) return byDefault;
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || value < min || value > max) throw flagError(flag, `must be ${min} to ${max}`);
  return value;
};

const absolute = (path: string, flag: string): string => {
  if (path === "" || path.includes("\0")) throw flagError(flag, "must be a path");
  return resolve(path);
};

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

const endpoint = (text: string | undefined, flag: string, allowsAny: boolean): string | undefined => {
  if (text === undefined || text === "") return undefined;
  const colon = text.lastIndexOf(":");
  const host = text.slice(0, colon);
  const port = Number(text.slice(colon + 1));
  if (colon < 1 || !/^[0-9]{1,5}$/.test(text.slice(colon + 1)) || port > 65_535) {
    throw flagError(flag, `'${text}' is not host:port`);
  }
  if (!allowsAny && !LOOPBACK.test(host)) {
    throw flagError(
      flag,
      `${host} is reachable from other machines, and there is no TLS: use localhost, or --insecure`,
    );
  }
  return text;
};

const home = (env: Environment): string => env["HOME"] || homedir();

const defaultStateDir = (env: Environment, uid: number): string => {
  if (uid === 0) return "/var/lib/flintlock";
  const data = env["XDG_DATA_HOME"];
  return join(data !== undefined && isAbsolute(data) ? data : join(home(env), ".local/share"), "flintlock");
};

/** The same rule as the client's, which finds us by it. */
export const defaultSocketPath = (env: Environment, uid: number): string => {
  const name = "flintlock/flintlockd.sock";
  if (uid === 0) return join("/run", name);
  const runtime = env["XDG_RUNTIME_DIR"];
  if (runtime !== undefined && isAbsolute(runtime) && isOwnDirectory(runtime, uid))
    return join(runtime, name);
  return join(home(env), ".local/state", name);
};

const isOwnDirectory = (path: string, uid: number): boolean => {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.uid === uid;
};

/** `dist/guest-images` of the checkout this daemon was built in, or where a package puts it. */
const builtImages = (): string => {
  const candidates = ["../../../dist/guest-images", "../../../../dist/guest-images"].map((path) =>
    resolve(import.meta.dirname, path),
  );
  return candidates.find((path) => existsSync(path)) ?? "/usr/share/flintlock/guest-images";
};
