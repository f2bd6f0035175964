/**
 * A queue between a callback and an `AsyncIterable`. Items with the same key replace one another while they wait,
 * so a slow reader costs bounded memory and misses only what is out of date.
 */
export class AsyncChannel<T> implements AsyncIterable<T> {
  readonly #keyOf: (item: T) => string | undefined;
  #waiting: { readonly key: string | undefined; readonly item: T }[] = [];
  #end: { readonly error: unknown } | "closed" | undefined;
  #wake: () => void = () => {};

  constructor(keyOf: (item: T) => string | undefined) {
    this.#keyOf = keyOf;
  }

  push(item: T): void {
    if (this.#end !== undefined) return;
    const key = this.#keyOf(item);
    if (key !== undefined) this.#waiting = this.#waiting.filter((other) => other.key !== key);
    this.#waiting.push({ key, item });
    this.#wake();
  }

  close(): void {
    this.#end ??= "closed";
    this.#wake();
  }

  fail(error: unknown): void {
    this.#end ??= { error };
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) {
        yield next.item;
        continue;
      }
      if (this.#end === "closed") return;
      if (this.#end !== undefined) throw this.#end.error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
