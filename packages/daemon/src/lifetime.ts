/**
 * The daemon's one life: what was opened and is closed in the opposite order, what has to be well for it to serve, and
 * the first thing that ends it.
 *
 * INVARIANT: a part that cannot go on calls `fail`; the process then ends, and whoever started it starts it anew. A
 * daemon that lives on without one of its parts would only look alive.
 */
import { DisposeStack } from "./dispose-stack.ts";
import { ReadinessChecks } from "./readiness-checks.ts";

export type Ending =
  | { readonly kind: "signal"; readonly signal: NodeJS.Signals }
  | { readonly kind: "failure"; readonly part: string; readonly error: unknown };

export class Lifetime extends DisposeStack {
  readonly readiness = new ReadinessChecks();
  /** Resolves with what came first */
  readonly ending: Promise<Ending>;
  #ended: Ending | undefined;
  #end: (ending: Ending) => void = () => undefined;

  constructor() {
    super();
    this.ending = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.readiness.add("daemon", () => {
      if (this.#ended?.kind === "failure") throw new Error(`${this.#ended.part} failed`);
      if (this.#ended !== undefined) throw new Error("stopping");
      return undefined;
    });
  }

  /** `part` cannot go on. Repeating it changes nothing. */
  fail(part: string, error: unknown): void {
    this.#finish({ kind: "failure", part, error });
  }

  stop(signal: NodeJS.Signals): void {
    this.#finish({ kind: "signal", signal });
  }

  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  #finish(ending: Ending): void {
    this.#ended ??= ending;
    this.#end(this.#ended);
  }
}
