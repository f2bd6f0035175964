import type { Digest } from "@flintlock/core";
import { KeyedLock } from "../keyed-lock.ts";

const GATE = "gate";

/**
 * Digests that work in progress needs, so that `prune` leaves them alone. Pinning waits for a running prune
 * (which is short); once pinned, a blob that is there stays there, and pulls never hold a prune up.
 */
export class Pins {
  readonly #counts = new Map<Digest, number>();
  readonly #gate = new KeyedLock();

  async hold<T>(digests: readonly Digest[], work: () => Promise<T>): Promise<T> {
    await this.#gate.run(GATE, undefined, async () => {
      for (const digest of digests) this.#counts.set(digest, (this.#counts.get(digest) ?? 0) + 1);
    });
    try {
      return await work();
    } finally {
      for (const digest of digests) {
        const count = (this.#counts.get(digest) ?? 1) - 1;
        if (count > 0) this.#counts.set(digest, count);
        else this.#counts.delete(digest);
      }
    }
  }

  /**
   * Runs `work` while nothing new can be pinned. What was unpinned before had its reference written before,
   * so reading the references inside `work` misses nothing.
   */
  async exclusively<T>(work: (pinned: ReadonlySet<Digest>) => Promise<T>): Promise<T> {
    return this.#gate.run(GATE, undefined, () => work(new Set(this.#counts.keys())));
  }
}
