import type { OnProgress } from "@flintlock/core";
import { abortable } from "../keyed-lock.ts";

const PROGRESS_EVERY_MS = 100;

/** The same bytes, but an abort ends a wait for more of them, and `onProgress` hears how many came. */
export async function* watchedSource(
  source: AsyncIterable<Uint8Array>,
  onProgress: OnProgress,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  let doneBytes = 0;
  let reportedAt = Number.NEGATIVE_INFINITY;
  const report = () => onProgress({ stage: "download", digest: "", doneBytes, totalBytes: 0 });
  try {
    for (;;) {
      const next = iterator.next();
      // Left behind by an abort, it may still fail, and nobody is there to hear.
      next.catch(() => {});
      const { value, done } = await abortable(next, signal);
      if (done === true) break;
      doneBytes += value.length;
      const now = performance.now();
      if (now - reportedAt >= PROGRESS_EVERY_MS) {
        reportedAt = now;
        report();
      }
      yield value;
    }
    report();
  } finally {
    // Not awaited: a source that hangs would hang its own clean-up too.
    iterator.return?.()?.catch(() => {});
  }
}
