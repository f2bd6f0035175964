/** The image store: what it holds, and what it fetched. */
import { type ImageLoader, type ImageStore, type Log, toFlintlockError } from "@flintlock/core";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** Describing every image reads its manifest: once in this long is enough */
const FRESH_MS = 10_000;

export interface ImageMetrics {
  /** The same store, its pulls counted; its contents are what the gauges tell from now on. */
  counted(store: ImageStore & ImageLoader): ImageStore & ImageLoader;
}

interface Facts {
  readonly count: number;
  readonly bytes: number;
}

export const createImageMetrics = (registry: Registry, now: () => number, log: Log): ImageMetrics => {
  const registers = [registry];
  let look: () => Promise<Facts> = async () => ({ count: 0, bytes: 0 });
  new Gauge({
    name: "flintlock_images",
    help: "Images in the store, each counted once however many names it has",
    registers,
    async collect() {
      this.set((await look()).count);
    },
  });
  new Gauge({
    name: "flintlock_image_bytes",
    help: "Compressed size of the images in the store; what images share counts for each of them",
    registers,
    async collect() {
      this.set((await look()).bytes);
    },
  });
  const pulls = new Counter({
    name: "flintlock_image_pulls_total",
    help: "Pulls that have ended, also those that found the image present, by outcome: ok or an error code",
    labelNames: ["outcome"],
    registers,
  });
  const seconds = new Histogram({
    name: "flintlock_image_pull_duration_seconds",
    help: "How long pulls took",
    buckets: [0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800],
    registers,
  });
  const pull =
    (real: ImageStore): ImageStore["pull"] =>
    async (reference, options, signal) => {
      const started = now();
      let outcome = "ok";
      try {
        return await real.pull(reference, options, signal);
      } catch (error) {
        outcome = toFlintlockError(error).code;
        throw error;
      } finally {
        pulls.inc({ outcome });
        seconds.observe((now() - started) / 1000);
      }
    };
  return {
    counted: (real) => {
      look = remembered(() => factsOf(real), now, log);
      return {
        pull: pull(real),
        find: (key) => real.find(key),
        list: () => real.list(),
        file: (digest, path, signal) => real.file(digest, path, signal),
        baseDisk: (digest, sizeMib, signal) => real.baseDisk(digest, sizeMib, signal),
        remove: (reference) => real.remove(reference),
        prune: (keep) => real.prune(keep),
        load: (archive, reference, onProgress, signal) => real.load(archive, reference, onProgress, signal),
        loadLayout: (directory, signal) => real.loadLayout(directory, signal),
      };
    },
  };
};

/** Names of one image share its bytes. */
const factsOf = async (store: ImageStore): Promise<Facts> => {
  const sizes = new Map((await store.list()).map(({ digest, sizeBytes }) => [digest, sizeBytes]));
  return { count: sizes.size, bytes: [...sizes.values()].reduce((sum, size) => sum + size, 0) };
};

/** Shared by all who ask while it is fresh; a store that cannot be read leaves the last answer standing. */
const remembered = (ask: () => Promise<Facts>, now: () => number, log: Log): (() => Promise<Facts>) => {
  let last: Facts = { count: 0, bytes: 0 };
  let asked: { readonly at: number; readonly facts: Promise<Facts> } | undefined;
  return () => {
    if (asked === undefined || now() - asked.at >= FRESH_MS) {
      const facts = ask().then(
        (found) => {
          last = found;
          return found;
        },
        (error: unknown) => {
          log.warn("the image store cannot be counted", { error: toFlintlockError(error).message });
          return last;
        },
      );
      asked = { at: now(), facts };
    }
    return asked.facts;
  };
};
