/** Back-off for registries that are busy or out of reach. */
import { setTimeout as sleep } from "node:timers/promises";
import { FlintlockError, type Log } from "@flintlock/core";
import type { HttpResponse } from "./http.ts";
import { TransportError } from "./transport-error.ts";

export interface RetryLimits {
  /** Tries in a row that bring nothing, the first included */
  readonly maxTries: number;
  /** Wait before the second try; doubles from there */
  readonly baseDelayMs: number;
  /** Longest wait, also for a Retry-After */
  readonly maxDelayMs: number;
}

/** Tries over all, however much each of them brought */
const MAX_TRIES_IN_ALL = 50;

export interface RetryScope {
  readonly limits: RetryLimits;
  /** For messages: host of the registry */
  readonly registry: string;
  readonly log: Log;
}

/**
 * Runs `work` until it succeeds or fails for good. `hasProgressed` resets the count: a transfer that gets
 * further each time is not a lost cause.
 * @throws FlintlockError `unavailable` – the tries ran out; anything but a TransportError passes at once
 */
export const withRetries = async <T>(
  { limits, registry, log }: RetryScope,
  work: () => Promise<T>,
  signal: AbortSignal,
  hasProgressed: () => boolean = () => false,
): Promise<T> => {
  let failures = 0;
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TransportError)) throw error;
      failures = hasProgressed() ? 1 : failures + 1;
      if (failures >= limits.maxTries || tries >= MAX_TRIES_IN_ALL) throw givenUp(registry, error);
      const delayMs = Math.min(error.retryAfterMs ?? backOff(limits, failures), limits.maxDelayMs);
      log.debug("registry request will be tried again", { registry, tries, delayMs, error: error.message });
      await sleep(delayMs, undefined, { signal });
    }
  }
};

/** For an answer that asks for another try. */
export const busyError = (response: HttpResponse): TransportError =>
  new TransportError(`${response.url.host} answered ${response.status}`, {
    retryAfterMs: parseRetryAfter(response.headers["retry-after"], Date.now()),
  });

export const isBusy = (status: number): boolean => status === 429 || (status >= 500 && status !== 501);

/** Retry-After in milliseconds from now: seconds or an HTTP date (RFC 9110, 10.2.3). */
export const parseRetryAfter = (header: string | undefined, nowMs: number): number | undefined => {
  if (header === undefined) return undefined;
  if (/^[0-9]{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
};

const backOff = ({ baseDelayMs }: RetryLimits, failures: number): number =>
  // Half of it random, so that many hosts do not come back at once.
  baseDelayMs * 2 ** (failures - 1) * (0.5 + Math.random() / 2);

const givenUp = (registry: string, cause: TransportError): FlintlockError =>
  new FlintlockError("unavailable", `registry ${registry} cannot be reached: ${cause.message}`, {
    cause,
    hint: "Check the image reference, the network and the registry, then try again.",
  });
