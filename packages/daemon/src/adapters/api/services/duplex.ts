/** What attach, console and load share: a first message that names the target, then bytes both ways. */
import { FlintlockError } from "@flintlock/core";
import { abortable } from "../abortable.ts";
import { canceled } from "../errors.ts";

/** A client that opens a stream and never says what for. */
const FIRST_MESSAGE_TIMEOUT_MS = 30_000;
/** What was sent before a connection broke has arrived by then */
const LAST_WORDS_MS = 1000;

export interface Requests<T> {
  /** Undefined when the client half-closed without a message. */
  readonly first: T | undefined;
  readonly rest: AsyncIterable<T>;
}

/** @throws FlintlockError `deadline_exceeded` – no first message in 30 s */
export const splitFirst = async <T>(requests: AsyncIterable<T>): Promise<Requests<T>> => {
  const iterator = requests[Symbol.asyncIterator]();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new FlintlockError("deadline_exceeded", "the first message did not arrive in time");
    timer = setTimeout(() => reject(error), FIRST_MESSAGE_TIMEOUT_MS);
  });
  try {
    const { done, value } = await Promise.race([iterator.next(), late]);
    return { first: done ? undefined : value, rest: { [Symbol.asyncIterator]: () => iterator } };
  } finally {
    clearTimeout(timer);
  }
};

/**
 * Yields `output` while `feed` takes the input. The input may end first; when the output ends the input is
 * abandoned, and an error of either ends both. Where input finds nobody any more, the output has a moment to say why: what
 * took it has ended, and its last words may be on their way.
 */
export async function* joined<I, O>(
  signal: AbortSignal,
  input: AsyncIterable<I>,
  feed: (input: AsyncIterable<I>) => Promise<void>,
  output: AsyncIterable<O>,
): AsyncGenerator<O, void> {
  const end = new AbortController();
  const either = AbortSignal.any([signal, end.signal]);
  let lastWords: NodeJS.Timeout | undefined;
  feed(abortable(input, either)).catch((error: unknown) => {
    const isGone = error instanceof FlintlockError && error.code === "unavailable";
    if (isGone) lastWords = setTimeout(() => end.abort(error), LAST_WORDS_MS);
    else end.abort(error);
  });
  try {
    yield* abortable(output, either);
  } finally {
    clearTimeout(lastWords);
    end.abort(canceled());
  }
}
