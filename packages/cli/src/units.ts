/** Numbers as people read and write them. */
import { usageError } from "./cli-error.ts";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

export const formatBytes = (bytes: number): string => {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const text = unit === 0 || value >= 100 ? String(Math.round(value)) : value.toFixed(1);
  return `${text} ${UNITS[unit]}`;
};

/** `850ms`, `2.4s`, `3m05s` */
export const formatDuration = (ms: number): string => {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)}s`;
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, "0")}s`;
};

/** `5s`, `3m`, `2h`, `4d` */
export const formatAge = (ms: number): string => {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
};

const MIB_PER_UNIT: Readonly<Record<string, number>> = { K: 1 / 1024, M: 1, G: 1024, T: 1024 * 1024 };
/** `size_in_mb` and `memory_in_mb` are int32 on the wire. */
const MAX_MIB = 2 ** 31 - 1;

/** `512M`, `2G`, `1.5GiB`, or MiB without a unit. @throws CliError `usage` */
export const parseMib = (flag: string, text: string): number => {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  const mib = Number(match?.[1]) * (MIB_PER_UNIT[(match?.[2] || "M").toUpperCase()] ?? Number.NaN);
  if (!(mib >= 1 && mib <= MAX_MIB)) throw usageError(`${flag} ${text}: expected a size such as 512M or 2G`);
  if (!Number.isInteger(mib)) throw usageError(`${flag} ${text}: expected whole mebibytes`);
  return mib;
};

/** `20M`, `1.5G`, or bytes without a unit. @throws CliError `usage` */
export const parseBytes = (flag: string, text: string): number => {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  const unit = (match?.[2] ?? "").toUpperCase();
  const factor = unit === "" ? 1 : (MIB_PER_UNIT[unit] ?? Number.NaN) * 1024 ** 2;
  const bytes = Number(match?.[1]) * factor;
  if (!(bytes >= 1 && bytes <= Number.MAX_SAFE_INTEGER)) {
    throw usageError(`${flag} ${text}: expected bytes such as 20M or 1G`);
  }
  return Math.round(bytes);
};

const MS_PER_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
/** `setTimeout` takes no more */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** `500ms`, `30s`, `5m`, `1h30m`, or seconds without a unit. @throws CliError `usage` */
export const parseDurationMs = (flag: string, text: string, maxMs: number = MAX_TIMEOUT_MS): number => {
  const problem = () => usageError(`${flag} ${text}: expected a duration such as 30s or 5m`);
  if (!/^(?:\d{1,9}(?:\.\d{1,3})?(?:ms|s|m|h|d)?)+$/.test(text)) throw problem();
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)?/g)];
  if (parts.length > 1 && parts.some((part) => part[2] === undefined)) throw problem();
  const ms = parts.reduce((sum, part) => sum + Number(part[1]) * (MS_PER_UNIT[part[2] ?? "s"] ?? 0), 0);
  if (!(ms >= 1 && ms <= maxMs)) throw problem();
  return Math.round(ms);
};
