/**
 * The journal of the records' changes, as those read it who watch: in pages, from a position, each at its own pace. What
 * is written is only announced here; it is read from the store, so that a slow reader costs one page and no queue.
 *
 * INVARIANT: `last` is told in the same turn as memory shows the change it stands for.
 */
import { FlintlockError } from "../domain/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { JournalEntry, StateStore } from "../ports/state-store.ts";

export const DEFAULT_KEPT_EVENTS = 100_000;
/** Read at once by one reader, which may then stop for long: some 20 KB, and 0.5 MB where labels are as long as they may be */
const PAGE = 64;
/** Forgotten once there are so many more than are kept, as a part of them: not at every write */
const SLACK = 1 / 16;

export interface JournalPage {
  /** Everything up to here has been told */
  readonly position: number;
  /** `decodeEvent` reads them: as text they are a fraction of what they are as objects */
  readonly entries: readonly JournalEntry[];
}

export class Journal {
  readonly #store: StateStore;
  readonly #clock: Clock;
  readonly #kept: number;
  #after: number;
  #last: number;
  #isForgetting = false;
  readonly #waiting = new Set<() => void>();

  private constructor(
    store: StateStore,
    clock: Clock,
    { kept, after, last }: { readonly kept: number; readonly after: number; readonly last: number },
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#kept = kept;
    this.#after = after;
    this.#last = last;
  }

  static async open(store: StateStore, clock: Clock, kept = DEFAULT_KEPT_EVENTS): Promise<Journal> {
    return new Journal(store, clock, { kept, ...(await store.extent()) });
  }

  /** Where whoever asks for all that is kept begins. */
  get after(): number {
    return this.#after;
  }

  /** The newest durable change. */
  get last(): number {
    return this.#last;
  }

  /** @throws FlintlockError `out_of_range` – what follows `position` is no longer kept, or it has not come yet */
  check(position: number): void {
    if (position > this.#last) throw notYet(position, this.#last);
    if (position < this.#after) throw forgotten(position, { after: this.#after, last: this.#last });
  }

  /** A change is durable, and memory shows it. */
  written(revision: number): void {
    this.#last = Math.max(this.#last, revision);
    for (const wake of this.#waiting) wake();
    if (this.#last - this.#after > this.#kept * (1 + SLACK)) this.#forget(this.#last - this.#kept);
  }

  /**
   * All after `position`, and then all that comes, for ever; a page without entries where nothing has come for `quietMs`.
   * @throws FlintlockError `out_of_range` – some of it is no longer kept
   */
  async *pages(position: number, quietMs: number, signal: AbortSignal): AsyncGenerator<JournalPage, never> {
    for (;;) {
      signal.throwIfAborted();
      // Asked before reading: what is durable by now is read, what follows may be
      const upTo = this.#last;
      if (position < upTo) {
        const entries = await this.#store.journal(position, PAGE);
        const newest = entries.at(-1)?.revision ?? position;
        position = entries.length < PAGE ? Math.max(upTo, newest) : newest;
        yield { position, entries };
      } else if (!(await this.#news(quietMs, signal))) {
        yield { position, entries: [] };
      }
    }
  }

  /** Whether there are any within `ms`. */
  async #news(ms: number, signal: AbortSignal): Promise<boolean> {
    let isNews = false;
    let wake = (): void => undefined;
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const told = (): void => {
      isNews = true;
      wake();
    };
    const silence = this.#clock.alarm(ms, wake);
    this.#waiting.add(told);
    signal.addEventListener("abort", wake, { once: true });
    try {
      await woken;
      signal.throwIfAborted();
      return isNews;
    } finally {
      silence();
      this.#waiting.delete(told);
      signal.removeEventListener("abort", wake);
    }
  }

  /** Failing is of no interest: a store that cannot write says so to whoever changes something. */
  #forget(revision: number): void {
    if (this.#isForgetting) return;
    this.#isForgetting = true;
    this.#after = revision;
    const done = (): void => {
      this.#isForgetting = false;
    };
    this.#store.forget(revision).then(done, done);
  }
}

/** What a reader is told that comes too late; for the adapters of the store. */
export const forgotten = (
  position: number,
  { after, last }: { readonly after: number; readonly last: number },
) =>
  new FlintlockError("out_of_range", `the events after position ${position} are no longer all kept`, {
    detail: { position, first_position: after, last_position: last },
    hint: `list the microVMs anew, and watch from then on; what is kept begins after position ${after}`,
  });

const notYet = (position: number, last: number): FlintlockError =>
  new FlintlockError("out_of_range", `position ${position} has not come yet: the newest is ${last}`, {
    detail: { position, last_position: last },
    hint: "it is of another daemon's store, or of a later state of this one: list the microVMs anew",
  });
