/** Medians and spread: what a noisy machine can honestly say. */
export interface Summary {
  readonly n: number;
  readonly min: number;
  readonly median: number;
  readonly p99: number;
  readonly max: number;
}

export const summarise = (values: readonly number[]): Summary => {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
  return { n: sorted.length, min: at(0), median: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? Number.NaN };
};

/** Pair by pair, so that a machine whose speed drifts does not decide the result. */
export const ratios = (a: readonly number[], b: readonly number[]): Summary =>
  summarise(a.map((value, index) => value / (b[index] ?? Number.NaN)));

/** Likewise. */
export const differences = (a: readonly number[], b: readonly number[]): Summary =>
  summarise(a.map((value, index) => value - (b[index] ?? Number.NaN)));

const digits = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

export const ms = (s: Summary): string =>
  `${digits(s.median)} ms (min ${digits(s.min)}, p99 ${digits(s.p99)}, max ${digits(s.max)}, n=${s.n})`;

export const ratio = (s: Summary): string =>
  `${s.median.toFixed(2)} (min ${s.min.toFixed(2)}, max ${s.max.toFixed(2)})`;

export const timed = async <T>(
  work: () => Promise<T>,
): Promise<{ readonly ms: number; readonly value: T }> => {
  const started = performance.now();
  const value = await work();
  return { ms: performance.now() - started, value };
};
