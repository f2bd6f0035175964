/** What was opened, closed in the opposite order; every part is closed even when another's closing fails. */
export class DisposeStack implements AsyncDisposable {
  readonly #parts: { readonly name: string; readonly close: () => Promise<void> }[] = [];

  add<T>(name: string, value: T, close: (value: T) => Promise<void>): T {
    this.#parts.push({ name, close: () => close(value) });
    return value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const errors: unknown[] = [];
    for (const part of this.#parts.reverse()) {
      await part.close().catch((cause: unknown) => errors.push(new Error(`closing ${part.name}`, { cause })));
    }
    this.#parts.length = 0;
    if (errors.length > 0) throw new AggregateError(errors, "not everything could be closed");
  }
}
