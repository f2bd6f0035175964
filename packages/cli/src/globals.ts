/** The flags that every command takes, before or after its name. */
import type { TlsOptions } from "@flintlock/client";
import { type Command, Option } from "commander";
import { usageError } from "./cli-error.ts";
import { OUTPUT_FORMATS, type OutputFormat } from "./output.ts";
import { parseChoice } from "./parse-flags.ts";
import { PROGRESS_MODES, type ProgressMode } from "./progress.ts";
import { parseDurationMs } from "./units.ts";

export interface Globals {
  /** As given; undefined = `FLINTLOCK_HOST` or the per-user daemon */
  readonly host: string | undefined;
  /** Undefined = `FLINTLOCK_TOKEN`, `FLINTLOCK_TOKEN_FILE` or none */
  readonly tokenFile: string | undefined;
  /** Undefined = as `FLINTLOCK_TLS*` say */
  readonly tls: TlsOptions | true | undefined;
  /** Empty = any, or the daemon's default when creating */
  readonly namespace: string;
  /** Undefined = the command's own default */
  readonly output: OutputFormat | undefined;
  readonly isQuiet: boolean;
  readonly isVerbose: boolean;
  readonly progress: ProgressMode;
  readonly wantsColor: boolean;
  readonly timeoutMs: number | undefined;
}

/** A fresh set of options: commander ties each to its command. */
export const globalOptions = (): readonly Option[] => [
  new Option("-H, --host <address>", "daemon: unix:///path or host:port (also FLINTLOCK_HOST)"),
  new Option(
    "--token-file <path>",
    "file with the token for TCP (also FLINTLOCK_TOKEN_FILE, FLINTLOCK_TOKEN)",
  ),
  new Option("--tls", "TLS, with the system's authorities; implied by the next four (also FLINTLOCK_TLS=1)"),
  new Option("--tls-ca <file>", "authorities to believe, in PEM (also FLINTLOCK_TLS_CA)"),
  new Option("--tls-cert <file>", "certificate to show, in PEM (also FLINTLOCK_TLS_CERT)"),
  new Option("--tls-key <file>", "its key, in PEM (also FLINTLOCK_TLS_KEY)"),
  new Option(
    "--tls-server-name <name>",
    "name to expect in place of the host (also FLINTLOCK_TLS_SERVER_NAME)",
  ),
  new Option("--ns, --namespace <name>", "namespace; all when listing, `default` when creating"),
  new Option("-o, --output <format>", `${OUTPUT_FORMATS.join(" | ")}`),
  new Option("-q, --quiet", "print names only, and no progress"),
  new Option("-v, --verbose", "say more: timings, causes"),
  new Option("--progress <mode>", `${PROGRESS_MODES.join(" | ")}, on stderr`),
  new Option("--no-color", "no colours (also NO_COLOR)"),
  new Option("--timeout <duration>", "give up after this long, e.g. 30s or 5m"),
];

interface RawGlobals {
  host?: string;
  tokenFile?: string;
  tls?: boolean;
  tlsCa?: string;
  tlsCert?: string;
  tlsKey?: string;
  tlsServerName?: string;
  namespace?: string;
  output?: string;
  quiet?: boolean;
  verbose?: boolean;
  progress?: string;
  color?: boolean;
  timeout?: string;
}

/** A flag after the command wins over the same flag before it. @throws CliError `usage` */
export const parseGlobals = (command: Command): Globals => {
  const raw: RawGlobals = {};
  for (let at: Command | null = command; at !== null; at = at.parent) {
    const options = at.opts<RawGlobals>();
    if (options.color === false) raw.color = false;
    Object.assign(raw, { ...options, ...raw });
  }
  if (raw.host === "") throw usageError("--host: the address is empty");
  return {
    host: raw.host,
    tokenFile: raw.tokenFile,
    tls: tlsOf(raw),
    namespace: raw.namespace ?? "",
    output: raw.output === undefined ? undefined : parseChoice("--output", raw.output, OUTPUT_FORMATS),
    isQuiet: raw.quiet === true,
    isVerbose: raw.verbose === true,
    progress: raw.progress === undefined ? "auto" : parseChoice("--progress", raw.progress, PROGRESS_MODES),
    wantsColor: raw.color !== false,
    timeoutMs: raw.timeout === undefined ? undefined : parseDurationMs("--timeout", raw.timeout),
  };
};

const tlsOf = ({ tls, tlsCa, tlsCert, tlsKey, tlsServerName }: RawGlobals): TlsOptions | true | undefined => {
  const own = {
    ...(tlsCa === undefined ? {} : { ca: tlsCa }),
    ...(tlsCert === undefined ? {} : { cert: tlsCert }),
    ...(tlsKey === undefined ? {} : { key: tlsKey }),
    ...(tlsServerName === undefined ? {} : { serverName: tlsServerName }),
  };
  return Object.keys(own).length > 0 ? own : tls || undefined;
};
