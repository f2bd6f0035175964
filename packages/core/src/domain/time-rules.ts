/** Moments as a caller writes them. */
import { type UnixMs, unixMs } from "./units.ts";

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/i;
const DURATION = /^(?:\d{1,9}(?:\.\d{1,3})?(?:ms|s|m|h|d))+$/;
const MS_PER_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `2026-11-25T02:00:00Z`, as RFC 3339 has it; undefined for anything else. */
export const parseTime = (text: string): UnixMs | undefined => {
  const at = TIME.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : unixMs(at);
};

/** `90s`, `10m`, `1h30m`, `2d`, in milliseconds; undefined for anything else. */
export const parseDuration = (text: string): number | undefined => {
  if (!DURATION.test(text)) return undefined;
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g);
  return [...parts].reduce((sum, [, count, unit]) => sum + Number(count) * (MS_PER_UNIT[unit ?? ""] ?? 0), 0);
};
