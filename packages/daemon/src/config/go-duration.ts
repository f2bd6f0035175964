/** Go's `time.ParseDuration`, and a plain number for seconds. */

const UNIT_MS = {
  ns: 1e-6,
  us: 1e-3,
  "\u00b5s": 1e-3,
  "\u03bcs": 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
} as const;

const NUMBER = String.raw`(?:\d+(?:\.\d*)?|\.\d+)`;
const PART = new RegExp(`(${NUMBER})(ns|us|\u00b5s|\u03bcs|ms|s|m|h)`, "gy");
const SECONDS = new RegExp(`^${NUMBER}$`);
const MAX_LENGTH = 64;

/** Whole milliseconds, never negative; undefined when `text` is no duration. */
export const parseGoDuration = (text: string): number | undefined => {
  if (text.length > MAX_LENGTH) return undefined;
  if (SECONDS.test(text)) return Math.round(Number(text) * 1000);
  let ms = 0;
  let end = 0;
  for (const [part, digits, unit] of text.matchAll(PART)) {
    ms += Number(digits) * UNIT_MS[unit as keyof typeof UNIT_MS];
    end += part.length;
  }
  return end === text.length && end > 0 ? Math.round(ms) : undefined;
};

/** `90s` as `1m30s`: what a person would have written. */
export const formatGoDuration = (ms: number): string => {
  if (ms === 0) return "0s";
  const parts: string[] = [];
  let rest = ms;
  for (const unit of ["h", "m", "s", "ms"] as const) {
    const count = Math.floor(rest / UNIT_MS[unit]);
    if (count > 0) parts.push(`${count}${unit}`);
    rest -= count * UNIT_MS[unit];
  }
  return parts.join("");
};
