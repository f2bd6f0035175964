import { abortable } from "./keyed-lock.ts";

interface Task<T, Progress> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  readonly listeners: Set<(progress: Progress) => void>;
  waiters: number;
}

/**
 * Work that several callers want at once is done once. A caller's abort detaches that caller alone; when
 * nobody waits any more the work itself is aborted, and a later caller starts anew.
 */
export class SharedTasks<T, Progress = never> {
  readonly #tasks = new Map<string, Task<T, Progress>>();

  async run(
    key: string,
    start: (signal: AbortSignal, report: (progress: Progress) => void) => Promise<T>,
    signal: AbortSignal,
    onProgress?: (progress: Progress) => void,
  ): Promise<T> {
    signal.throwIfAborted();
    const task = this.#tasks.get(key) ?? this.#start(key, start);
    task.waiters += 1;
    // Each caller listens for itself, even if two pass the same function.
    const listener = onProgress === undefined ? undefined : (progress: Progress) => onProgress(progress);
    if (listener !== undefined) task.listeners.add(listener);
    try {
      return await abortable(task.result, signal);
    } finally {
      task.waiters -= 1;
      if (listener !== undefined) task.listeners.delete(listener);
      if (task.waiters === 0) {
        this.#forget(key, task);
        task.controller.abort();
      }
    }
  }

  #start(
    key: string,
    start: (signal: AbortSignal, report: (progress: Progress) => void) => Promise<T>,
  ): Task<T, Progress> {
    const controller = new AbortController();
    const listeners = new Set<(progress: Progress) => void>();
    const report = (progress: Progress) => {
      for (const listener of listeners) {
        try {
          listener(progress);
        } catch {
          // One caller's broken listener must not end what others wait for; it hears no more.
          listeners.delete(listener);
        }
      }
    };
    // A tick later, so that the first caller listens from the first report on.
    const result = Promise.resolve().then(() => start(controller.signal, report));
    const task = { result, controller, listeners, waiters: 0 };
    this.#tasks.set(key, task);
    // Settled work is forgotten at once; the rejection belongs to the waiters, who may all have left.
    task.result.then(
      () => this.#forget(key, task),
      () => this.#forget(key, task),
    );
    return task;
  }

  #forget(key: string, task: Task<T, Progress>): void {
    if (this.#tasks.get(key) === task) this.#tasks.delete(key);
  }
}
