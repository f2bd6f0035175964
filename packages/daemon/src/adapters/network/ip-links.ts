/**
 * Network links through iproute2's `ip`, which speaks JSON; Node has no netlink. Arguments go as a list, never
 * through a shell, and each name is one that we derived or that was checked.
 */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { FlintlockError } from "@flintlock/core";

const run = promisify(execFile);

const TIMEOUT_MS = 10_000;
const MAX_OUTPUT_BYTES = 1024 * 1024;
/** Of what `ip` says, in a hint */
const MAX_WORDS = 300;
/** All links of this process's namespace (proc(5)), without a process to ask: most questions are about one that is not there */
const LINK_NAMES = "/proc/self/net/dev";
/** What a word of a batch may hold between quotes */
const BATCH_WORD = /^[\w .:/@+=,-]+$/;

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

export type IpCommand = readonly [string, ...string[]];

export interface IpLinks {
  /** Undefined when there is no such link. */
  show(name: string, signal: AbortSignal): Promise<Link | undefined>;
  /**
   * Runs `ip …` for each command, in order and in one process, up to the first that fails.
   * @throws FlintlockError `unsupported` – no `ip`; `internal` – it refused, cause has its words
   */
  run(commands: readonly IpCommand[], signal: AbortSignal): Promise<void>;
  /** Does the same, and returns what the link `name` is then. */
  make(name: string, commands: readonly IpCommand[], signal: AbortSignal): Promise<Link>;
}

/** `command`: the program and its first arguments, such as `["ip", "-n", "blue"]`; left out: `ip`, in our own namespace. */
export const createIpLinks = (command?: readonly [string, ...string[]]): IpLinks => {
  const [binary, ...prefix] = command ?? ["ip"];
  const ip = async (args: readonly string[], signal: AbortSignal, input = ""): Promise<string> => {
    const env = { LC_ALL: "C", PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
    const running = run(binary, [...prefix, ...args], {
      signal,
      env,
      timeout: TIMEOUT_MS,
      killSignal: "SIGKILL",
      maxBuffer: MAX_OUTPUT_BYTES,
    });
    // One that ends before it has read all says why itself.
    running.child.stdin?.on("error", () => {}).end(input);
    return (await running).stdout;
  };
  const batch = async (commands: readonly IpCommand[], signal: AbortSignal): Promise<string> => {
    const lines = batchOf(commands);
    try {
      return await ip(["-j", "-d", "-batch", "-"], signal, lines);
    } catch (cause) {
      signal.throwIfAborted();
      const line = Number(wordsOf(cause).match(/^Command failed -:(\d+)/m)?.[1] ?? 1);
      throw failed(cause, commands[line - 1]?.join(" ") ?? "");
    }
  };
  return {
    async show(name, signal) {
      if (command === undefined && !(await isListed(name))) return undefined;
      try {
        return parseLink(JSON.parse(await ip(["-j", "-d", "link", "show", "dev", name], signal)));
      } catch (cause) {
        signal.throwIfAborted();
        // `ip` has one exit code for everything; its words, in the C locale, tell absence from failure.
        if (wordsOf(cause).includes("does not exist")) return undefined;
        throw failed(cause, name);
      }
    },
    async run(commands, signal) {
      await batch(commands, signal);
    },
    async make(name, commands, signal) {
      return parseLink(JSON.parse(await batch([...commands, ["link", "show", "dev", name]], signal)));
    },
  };
};

/** Not knowing counts as listed: then `ip` is asked. */
const isListed = async (name: string): Promise<boolean> => {
  const names = await readFile(LINK_NAMES, "latin1").catch(() => undefined);
  return names === undefined || names.split("\n").some((line) => line.trimStart().startsWith(`${name}:`));
};

const batchOf = (commands: readonly IpCommand[]): string =>
  commands.map((words) => `${words.map(quoted).join(" ")}\n`).join("");

/** Each name is derived or checked, so this is the second lock. */
const quoted = (word: string): string => {
  if (BATCH_WORD.test(word)) return word.includes(" ") ? `"${word}"` : word;
  throw new FlintlockError("internal", "a word for ip has characters that no name of a link has");
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
