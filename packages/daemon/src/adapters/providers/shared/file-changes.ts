/** Waits for a file to change, by inotify: a guest's boot needs the processor more than we need to ask. */
import { type FSWatcher, watch } from "node:fs";
import { pause } from "./deadline.ts";

export interface FileChanges extends Disposable {
  /** Resolves at the next change since the last call, or after `maxMs`. Rejects with the signal's reason. */
  next(maxMs: number, signal: AbortSignal): Promise<void>;
}

/** Changes of `name` in `directory`; the file need not exist yet. Where no watch can be had, `next` only waits. */
export const watchFile = (directory: string, name: string): FileChanges => {
  let hasChanged = false;
  let wake = (): void => undefined;
  const watcher = open(directory, (changed) => {
    if (changed !== name) return;
    hasChanged = true;
    wake();
  });
  return {
    async next(maxMs, signal) {
      const limit = new AbortController();
      const isOver = pause(maxMs, AbortSignal.any([signal, limit.signal]));
      const change = new Promise<void>((resolve) => {
        wake = resolve;
        if (hasChanged) resolve();
      });
      try {
        await Promise.race([change, isOver]);
      } finally {
        hasChanged = false;
        limit.abort();
        // The pause that lost the race rejects: nobody waits for it any more.
        isOver.catch(() => undefined);
      }
      signal.throwIfAborted();
    },
    [Symbol.dispose]: () => watcher?.close(),
  };
};

const open = (directory: string, onChange: (name: string | null) => void): FSWatcher | undefined => {
  try {
    const watcher = watch(directory, { persistent: false }, (_event, name) => onChange(name));
    // The directory may go while it is watched; `next` then only waits.
    watcher.on("error", () => undefined);
    return watcher;
  } catch {
    // Out of inotify instances (fs.inotify.max_user_instances): asking at intervals does as well, only later.
    return undefined;
  }
};
