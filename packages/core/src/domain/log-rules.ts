/** What a caller may ask of a microVM's logs. */
import { invalidField } from "./errors.ts";
import { parseDuration, parseTime } from "./time-rules.ts";
import { type UnixMs, unixMs } from "./units.ts";

/** The guest's console, the VMM's own words, and what our init and our agent report from the guest. */
export const LOG_SOURCES = ["console", "vmm", "init", "agent"] as const;
export type LogSource = (typeof LOG_SOURCES)[number];

export const MAX_SINCE_LENGTH = 40;
/** A duration, or a time */
export const LOG_SINCE =
  /^(?:(?:[0-9]{1,9}(?:\.[0-9]{1,3})?(?:ms|s|m|h|d))+|[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]))$/;

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
  if (since.length <= MAX_SINCE_LENGTH && LOG_SINCE.test(since)) {
    const ago = parseDuration(since);
    const at = ago === undefined ? parseTime(since) : unixMs(now - ago);
    if (at !== undefined) return at;
  }
  throw invalidField("since", "must be a time such as 2026-11-25T02:00:00Z, or a duration such as 10m");
};
