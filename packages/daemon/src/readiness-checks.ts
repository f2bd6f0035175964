/** What has to be well for calls to be served, asked together and not too often. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ReadinessReport } from "./adapters/api/readiness.ts";

/** Rejects, or throws, with words for anybody: no paths, no secrets. A text is said behind "ok". */
export type ReadinessCheck = () => Promise<string | undefined> | string | undefined;

const DEADLINE_MS = 2_000;
/** Answers this young are given again: a flood of health checks must not load the store. */
const FRESH_MS = 500;

export class ReadinessChecks {
  readonly #checks = new Map<string, ReadinessCheck>();
  #last: { readonly at: number; readonly report: Promise<ReadinessReport> } | undefined;

  add(name: string, check: ReadinessCheck): void {
    this.#checks.set(name, check);
    this.#last = undefined;
  }

  /** Never rejects; takes `DEADLINE_MS` at most. */
  report(): Promise<ReadinessReport> {
    const now = performance.now();
    if (this.#last === undefined || now - this.#last.at > FRESH_MS) {
      this.#last = { at: now, report: this.#ask() };
    }
    return this.#last.report;
  }

  async #ask(): Promise<ReadinessReport> {
    const results = await Promise.all(
      [...this.#checks].map(async ([name, check]) => [name, await outcome(check)] as const),
    );
    return {
      isReady: results.every(([, result]) => isOk(result)),
      checks: Object.fromEntries(results),
    };
  }
}

const isOk = (result: string): boolean => result === "ok" || result.startsWith("ok: ");

const outcome = async (check: ReadinessCheck): Promise<string> => {
  const timer = new AbortController();
  const late = sleep(DEADLINE_MS, "no answer in time", { signal: timer.signal, ref: false });
  const answer = (async () => check())().then(
    (remark) => (typeof remark === "string" ? `ok: ${remark}` : "ok"),
    (error: unknown) => (error instanceof Error ? error.message : "failed"),
  );
  try {
    return await Promise.race([answer, late]);
  } finally {
    timer.abort();
    late.catch(() => undefined);
  }
};
