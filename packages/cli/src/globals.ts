/** The flags that every command takes, before or after its name. */
import { type Command, Option } from "commander";
import { usageError } from "./cli-error.ts";
import { OUTPUT_FORMATS, type OutputFormat } from "./output.ts";
import { parseChoice } from "./parse-flags.ts";
import { PROGRESS_MODES, type ProgressMode } from "./progress.ts";
import { parseDurationMs } from "./units.ts";

export interface Globals {
  /** As given; undefined = `FLINTLOCK_HOST` or the per-user daemon */
  readonly host: string | undefined;
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
    namespace: raw.namespace ?? "",
    output: raw.output === undefined ? undefined : parseChoice("--output", raw.output, OUTPUT_FORMATS),
    isQuiet: raw.quiet === true,
    isVerbose: raw.verbose === true,
    progress: raw.progress === undefined ? "auto" : parseChoice("--progress", raw.progress, PROGRESS_MODES),
    wantsColor: raw.color !== false,
    timeoutMs: raw.timeout === undefined ? undefined : parseDurationMs("--timeout", raw.timeout),
  };
};
