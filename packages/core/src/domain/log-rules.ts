/** What a caller may ask of a microVM's logs. */
import { invalidField } from "./errors.ts";
import { parseDuration, parseTime } from "./time-rules.ts";
import { type UnixMs, unixMs } from "./units.ts";

/** The guest's console, the VMM's own words, and what our init and our agent report from the guest. */
export const LOG_SOURCES = ["console", "vmm", "init", "agent"] as const;
export type LogSource = (typeof LOG_SOURCES)[number];

/** As the API has it. */
export interface LogInput {
  /** One of `LOG_SOURCES`, "all", or empty: the console */
  readonly source: string;
  readonly follow: boolean;
  readonly tail: number;
  /** A time of RFC 3339, a duration such as `10m` before now, or empty */
  readonly since: string;
}

export interface LogOptions {
  readonly sources: readonly LogSource[];
  /** Until the guest ends */
  readonly follow: boolean;
  /** Last lines only, of each source; 0 = all that is kept */
  readonly tail: number;
  /** Only what came then or later, to the second; undefined = all that is kept */
  readonly since: UnixMs | undefined;
}

export interface LogPiece {
  readonly source: LogSource;
  readonly bytes: Uint8Array;
}

/** @throws FlintlockError `invalid_spec` */
export const parseLogs = ({ source, since, ...rest }: LogInput, now: UnixMs): LogOptions => ({
  ...rest,
  sources: parseSource(source),
  since: since === "" ? undefined : parseSince(since, now),
});

const parseSource = (source: string): readonly LogSource[] => {
  if (source === "all") return LOG_SOURCES;
  const found = LOG_SOURCES.find((one) => one === (source || "console"));
  if (found !== undefined) return [found];
  throw invalidField("source", `must be ${LOG_SOURCES.map((one) => `"${one}"`).join(", ")} or "all"`);
};

const parseSince = (since: string, now: UnixMs): UnixMs => {
  const ago = parseDuration(since);
  const at = ago === undefined ? parseTime(since) : unixMs(now - ago);
  if (at !== undefined) return at;
  throw invalidField("since", "must be a time such as 2026-11-25T02:00:00Z, or a duration such as 10m");
};
