/** Waiting that ends with a signal, whether or not what is waited for listens to it. */

/**
 * The items of `source`; throws the signal's reason as soon as it aborts. The source is told to return but not
 * waited for: one that is stuck must not keep a call open.
 */
export async function* abortable<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void> {
  const iterator = source[Symbol.asyncIterator]();
  let isDone = false;
  try {
    while (true) {
      const next = await orAborted(iterator.next(), signal);
      if (next.done) {
        isDone = true;
        return;
      }
      yield next.value;
    }
  } finally {
    // Its own failure to end is of no interest: the call has ended, one way or the other
    if (!isDone) iterator.return?.().then(undefined, () => undefined);
  }
}

/** `promise`, or a rejection with the signal's reason, whichever is first. */
export const orAborted = <T>(promise: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) {
      promise.catch(() => undefined);
      abort();
      return;
    }
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
