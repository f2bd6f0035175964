/** Sending a call again, where that is safe and may help: the daemon is away, which a restart takes a moment of. */
import { setTimeout as sleep } from "node:timers/promises";
import { ClientError } from "./client-error.ts";
import { abortError, isUnreachable, wasNeverSent } from "./from-grpc.ts";

export interface RetryOptions {
  /** How often a call is sent at most, 1 to 100; 8 when absent, which is some 7 seconds. 1: never again */
  readonly attempts?: number;
}

/**
 * - `always`: sent twice it does what it does once, as a read does, or a create with a request id.
 * - `unsent`: only while the daemon has certainly not seen it.
 */
export type Repeatable = "always" | "unsent";

export interface RetryParts {
  readonly repeatable: Repeatable;
  readonly attempts: number;
  /** Since 1970, in milliseconds */
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
}

const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 2_000;
const DEFAULT_ATTEMPTS = 8;
const MAX_ATTEMPTS = 100;

/** @throws ClientError `invalid_spec` */
export const attemptsOf = ({ attempts = DEFAULT_ATTEMPTS }: RetryOptions): number => {
  if (Number.isInteger(attempts) && attempts >= 1 && attempts <= MAX_ATTEMPTS) return attempts;
  const field = "retry.attempts";
  throw new ClientError("invalid_spec", `${field}: must be 1 to ${MAX_ATTEMPTS}`, { field });
};

/** `call` is told how often it was tried before. @throws what its last attempt threw */
export const withRetries = async <T>(
  call: (before: number) => Promise<T>,
  { repeatable, attempts, deadlineMs, signal }: RetryParts,
): Promise<T> => {
  let pauseMs = FIRST_PAUSE_MS;
  for (let before = 0; ; before += 1) {
    try {
      return await call(before);
    } catch (error) {
      const waitMs = pauseMs * (0.5 + Math.random());
      const isLast = before + 1 >= attempts || Date.now() + waitMs >= deadlineMs;
      if (isLast || signal?.aborted || !mayRepeat(error, repeatable)) throw error;
      await pause(waitMs, signal);
      pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
    }
  }
};

/** What a daemon that runs says of a registry or a guest is an answer. */
const mayRepeat = (error: unknown, repeatable: Repeatable): boolean => {
  if (!(error instanceof ClientError) || error.code !== "unavailable") return false;
  if (repeatable === "unsent") return wasNeverSent(error);
  return isUnreachable(error) || error.detail["daemon"] === "stopping";
};

const pause = async (ms: number, signal: AbortSignal | undefined): Promise<void> => {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    throw signal?.aborted ? abortError(signal) : error;
  }
};
