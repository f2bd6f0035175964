/** The little languages of the flags. Each parser takes one flag's text and throws CliError `usage`. */
import { usageError } from "./cli-error.ts";

export interface PortFlag {
  readonly hostIp: string;
  /** 0 = the daemon picks one */
  readonly hostPort: number;
  readonly guestPort: number;
  readonly protocol: "tcp" | "udp";
}

/** `[ip:]host:guest[/udp]`; an IPv6 address stands in brackets, an empty host port or none means any. */
export const parsePort = (text: string): PortFlag => {
  const problem = (what: string) =>
    usageError(`--publish ${text}: ${what}`, "flintlock run -p 8080:80, or -p 127.0.0.1:8080:80/udp");
  const match =
    /^(?:(?:\[(?<ip6>[^\]]*)\]|(?<ip4>[^:[\]/]*)):)??(?:(?<host>[^:[\]/]*):)?(?<guest>[^:[\]/]+)(?:\/(?<protocol>.*))?$/.exec(
      text,
    );
  if (match?.groups === undefined) throw problem("expected [IP:]HOST:GUEST[/udp]");
  const { ip6, ip4, host = "", guest = "", protocol = "tcp" } = match.groups;
  if (protocol !== "tcp" && protocol !== "udp") throw problem(`protocol ${protocol} is neither tcp nor udp`);
  const hostPort = host === "" ? 0 : portNumber(host);
  const guestPort = portNumber(guest);
  if (hostPort === undefined) throw problem(`host port ${host} is not a number from 0 to 65535`);
  if (guestPort === undefined || guestPort === 0)
    throw problem(`guest port ${guest} is not a number from 1 to 65535`);
  return { hostIp: ip6 ?? ip4 ?? "", hostPort, guestPort, protocol };
};

/** `[ip:]host[/udp]`: what of the host a publication takes; without an address or protocol, of any. */
export const parseListener = (text: string): Omit<PortFlag, "protocol"> & { readonly protocol: string } => {
  const match =
    /^(?:(?:\[(?<ip6>[^\]]*)\]|(?<ip4>[^:[\]/]*)):)?(?<host>\d{1,5})(?:\/(?<protocol>tcp|udp))?$/.exec(text);
  const hostPort = portNumber(match?.groups?.["host"] ?? "");
  if (match?.groups === undefined || hostPort === undefined || hostPort === 0) {
    throw usageError(
      `--unpublish ${text}: expected [IP:]HOST[/udp]`,
      "flintlock modify web --unpublish 8080",
    );
  }
  const { ip6, ip4, protocol = "" } = match.groups;
  return { hostIp: ip6 ?? ip4 ?? "", hostPort, guestPort: 0, protocol };
};

const portNumber = (text: string): number | undefined => {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return number <= 65535 ? number : undefined;
};

/** `K=V`, or `K` for this process's own value; a `K` that is not set here is left out, as docker does. */
export const parseEnv = (
  flags: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  source = "--env",
): Record<string, string> => {
  const result: Record<string, string> = {};
  for (const text of flags) {
    const at = text.indexOf("=");
    const key = at < 0 ? text : text.slice(0, at);
    if (key === "" || /[\s\0]/.test(key)) throw usageError(`${source} ${text}: expected KEY=VALUE or KEY`);
    const value = at < 0 ? environment[key] : text.slice(at + 1);
    if (value !== undefined) result[key] = value;
  }
  return result;
};

/** docker's format: one `K=V` or `K` a line, `#` starts a comment line, nothing is unquoted. */
export const parseEnvFile = (
  content: string,
  name: string,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> => {
  const lines = content
    .replace(/^\ufeff/, "")
    .split(/\r?\n/)
    .map((line) => line.trimStart())
    .filter((line) => line !== "" && !line.startsWith("#"));
  return parseEnv(lines, environment, `--env-file ${name}:`);
};

/** `k=v` or a bare `k`. */
export const parsePairs = (flag: string, flags: readonly string[]): Record<string, string> => {
  const result: Record<string, string> = {};
  for (const text of flags) {
    const at = text.indexOf("=");
    const key = at < 0 ? text : text.slice(0, at);
    if (key === "") throw usageError(`${flag} ${text}: expected KEY=VALUE`);
    result[key] = at < 0 ? "" : text.slice(at + 1);
  }
  return result;
};

export interface VolumeFlag {
  /** An image, or a host directory when it starts with `/` */
  readonly source: string;
  readonly mountPoint: string;
  readonly isReadOnly: boolean;
}

/** `IMAGE:/path[:ro]` or `/host/dir:/path[:ro]`. */
export const parseVolume = (text: string): VolumeFlag => {
  const match = /^(?<source>.+):(?<path>\/[^:]*)(?::(?<mode>ro|rw))?$/.exec(text);
  if (match?.groups === undefined) throw usageError(`--volume ${text}: expected SOURCE:/PATH[:ro]`);
  const { source = "", path = "", mode } = match.groups;
  return { source, mountPoint: path, isReadOnly: mode === "ro" };
};

export type NetworkFlag = { readonly kind: "user" } | { readonly kind: "bridge"; readonly bridge: string };

/** `user` or `bridge=NAME`. */
export const parseNetwork = (text: string): NetworkFlag => {
  if (text === "user") return { kind: "user" };
  const bridge = /^bridge=(.+)$/.exec(text)?.[1];
  if (bridge === undefined) throw usageError(`--net ${text}: expected user or bridge=NAME`);
  return { kind: "bridge", bridge };
};

/** A whole number from 0 up. */
export const parseCount = (flag: string, text: string): number => {
  if (!/^\d{1,9}$/.test(text)) throw usageError(`${flag} ${text}: expected a whole number`);
  return Number(text);
};

/** One of `choices`. */
export const parseChoice = <T extends string>(flag: string, text: string, choices: readonly T[]): T => {
  const choice = choices.find((candidate) => candidate === text);
  if (choice === undefined) throw usageError(`${flag} ${text}: expected one of ${choices.join(", ")}`);
  return choice;
};
