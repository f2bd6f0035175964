/**
 * Network links through iproute2's `ip`, which speaks JSON; Node has no netlink. Arguments go as a list, never
 * through a shell, and each name is one that we derived or that was checked.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { FlintlockError } from "@flintlock/core";

const run = promisify(execFile);

const TIMEOUT_MS = 10_000;
const MAX_OUTPUT_BYTES = 1024 * 1024;
/** Of what `ip` says, in a hint */
const MAX_WORDS = 300;

export interface Link {
  readonly name: string;
  readonly index: number;
  readonly mac: string;
  readonly mtu: number;
  readonly isUp: boolean;
  /** Takes every multicast, not only what this host asked for */
  readonly isAllMulticast: boolean;
  /** The bridge it is attached to */
  readonly master: string | undefined;
  /** The link it is made on, such as a MACVTAP's; undefined for one that stands alone, or in another namespace */
  readonly parent: string | undefined;
  /** `bridge`, `tun`, `macvtap`, …; undefined for hardware */
  readonly kind: string | undefined;
  /** Of kind `tun`: `tap` or `tun` */
  readonly mode: string | undefined;
}

export interface IpLinks {
  /** Undefined when there is no such link. */
  show(name: string, signal: AbortSignal): Promise<Link | undefined>;
  /** Runs `ip …`. @throws FlintlockError `unsupported` – no `ip`; `internal` – it refused, cause has its words */
  run(args: readonly string[], signal: AbortSignal): Promise<void>;
}

/** `command` is the program and its first arguments, such as `["ip"]` or `["ip", "-n", "blue"]`. */
export const createIpLinks = (command: readonly [string, ...string[]]): IpLinks => {
  const [binary, ...prefix] = command;
  const ip = async (args: readonly string[], signal: AbortSignal): Promise<string> => {
    const env = { LC_ALL: "C", PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
    const { stdout } = await run(binary, [...prefix, ...args], {
      signal,
      env,
      timeout: TIMEOUT_MS,
      killSignal: "SIGKILL",
      maxBuffer: MAX_OUTPUT_BYTES,
    });
    return stdout;
  };
  return {
    async show(name, signal) {
      try {
        return parseLink(JSON.parse(await ip(["-j", "-d", "link", "show", "dev", name], signal)));
      } catch (cause) {
        signal.throwIfAborted();
        // `ip` has one exit code for everything; its words, in the C locale, tell absence from failure.
        if (wordsOf(cause).includes("does not exist")) return undefined;
        throw failed(cause, name);
      }
    },
    async run(args, signal) {
      try {
        await ip(args, signal);
      } catch (cause) {
        signal.throwIfAborted();
        throw failed(cause, args.join(" "));
      }
    },
  };
};

/** The first of `ip -j -d link show`; throws when it is not that. */
export const parseLink = (value: unknown): Link => {
  const link: unknown = Array.isArray(value) ? value[0] : undefined;
  const { ifname, ifindex, address, mtu, flags, master, linkinfo, link: parent } = fieldsOf(link);
  if (typeof ifname !== "string" || typeof ifindex !== "number" || typeof mtu !== "number") {
    throw new Error("not the description of a link");
  }
  const { info_kind: kind, info_data: data } = fieldsOf(linkinfo);
  const hasFlag = (flag: string): boolean => Array.isArray(flags) && flags.includes(flag);
  return {
    name: ifname,
    index: ifindex,
    mac: textOf(address) ?? "",
    mtu,
    isUp: hasFlag("UP"),
    isAllMulticast: hasFlag("ALLMULTI"),
    master: textOf(master),
    parent: textOf(parent),
    kind: textOf(kind),
    mode: textOf(fieldsOf(data)["type"]),
  };
};

/** Empty for what is no object. */
const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

const wordsOf = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "stderr" in cause ? String(cause.stderr) : "";

const failed = (cause: unknown, what: string): FlintlockError => {
  if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") {
    const hint = "Install iproute2.";
    return new FlintlockError("unsupported", "the program ip cannot be found", { hint, cause });
  }
  if (wordsOf(cause).includes("Operation not permitted")) {
    return new FlintlockError("unsupported", `the kernel does not permit: ip ${what}`, {
      hint: PRIVILEGE_HINT,
      cause,
    });
  }
  if (wordsOf(cause).includes("Address already in use")) {
    return new FlintlockError("failed_precondition", `the MAC address is in use on this host: ip ${what}`, {
      hint: "Two interfaces on one parent need two guest_mac, or none: then each gets its own.",
      cause,
    });
  }
  const hint = wordsOf(cause).trim().slice(0, MAX_WORDS);
  return new FlintlockError("internal", `the network could not be changed: ip ${what}`, { hint, cause });
};

export const PRIVILEGE_HINT =
  "Give the daemon CAP_NET_ADMIN, or leave the interfaces out: user-mode networking needs no privilege.";
