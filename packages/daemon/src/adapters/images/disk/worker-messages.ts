import { ERROR_CODES, type ErrorCode, FlintlockError } from "@flintlock/core";
import type { DiskResult } from "./disk-task.ts";

/** An error as plain data: a class does not survive the way between threads. */
export interface SentError {
  readonly code: ErrorCode | undefined;
  readonly message: string;
  readonly detail: Readonly<Record<string, string | number>>;
  readonly hint: string | undefined;
  /** The cause's words, with its stack */
  readonly cause: string | undefined;
}

export type WorkerReply =
  | { readonly kind: "done"; readonly result: DiskResult }
  | { readonly kind: "failed"; readonly error: SentError };

export const sendError = (error: unknown): SentError => {
  if (error instanceof FlintlockError) {
    const { code, message, detail, hint, cause } = error;
    return { code, message, detail, hint, cause: cause === undefined ? undefined : wordsOf(cause) };
  }
  return { code: undefined, message: String(error), detail: {}, hint: undefined, cause: wordsOf(error) };
};

export const receiveError = ({ code, message, detail, hint, cause }: SentError): Error => {
  const reason = cause === undefined ? undefined : new Error(cause);
  if (code === undefined || !Object.hasOwn(ERROR_CODES, code)) return new Error(message, { cause: reason });
  return new FlintlockError(code, message, { detail, hint, cause: reason });
};

const wordsOf = (cause: unknown): string =>
  cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
