/** What wakes a microVM's loop later: one alarm for each, for a time or for the end of its VMM. */
import { FlintlockError, toFlintlockError } from "../domain/errors.ts";
import type { Uid } from "../domain/units.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";

/** Pause before a microVM is looked at again after its watch failed. */
const WATCH_AGAIN_MS = 5_000;

/** One for all: a default reason is a new error with a stack, and there is one for every VM that settles. */
export const SUPERSEDED = new FlintlockError("canceled", "something newer is waited for");

/** What resolves when it is time, and heeds its signal. */
export type Wait = (signal: AbortSignal) => Promise<void>;

export class Alarms {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #ring: (uid: Uid) => void;
  readonly #set = new Map<Uid, AbortController>();
  #isClosed = false;

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Log }, ring: (uid: Uid) => void) {
    this.#clock = clock;
    this.#log = log;
    this.#ring = ring;
  }

  get size(): number {
    return this.#set.size;
  }

  /** Rings in `ms`, in place of any alarm that is set for `uid`. */
  after(uid: Uid, ms: number): void {
    this.when(uid, (signal) => this.#clock.sleep(ms, signal));
  }

  /** Rings once `wait` is over, in place of any alarm that is set for `uid`. */
  when(uid: Uid, wait: Wait): void {
    this.silence(uid);
    if (this.#isClosed) return;
    const alarm = new AbortController();
    this.#set.set(uid, alarm);
    wait(alarm.signal).then(
      () => {
        if (this.#set.get(uid) === alarm) this.#set.delete(uid);
        if (!alarm.signal.aborted) this.#ring(uid);
      },
      (error: unknown) => {
        if (alarm.signal.aborted) return;
        this.#log.warn("watching a microvm failed", { uid, error: toFlintlockError(error).message });
        this.after(uid, WATCH_AGAIN_MS);
      },
    );
  }

  silence(uid: Uid): void {
    this.#set.get(uid)?.abort(SUPERSEDED);
    this.#set.delete(uid);
  }

  /** None rings any more, and none can be set. */
  close(): void {
    this.#isClosed = true;
    for (const alarm of this.#set.values()) alarm.abort(SUPERSEDED);
  }
}
