/** Parsers run side by side, so that a caller learns of everything that is wrong with a request at once. */
import { FlintlockError, type Violation } from "./errors.ts";

/** More than a person reads at once; the rest comes with the next try. */
export const MAX_VIOLATIONS = 32;

/**
 * The object whose every key its parser makes. All of them run, in their order.
 * @throws FlintlockError `invalid_spec` – with what each of them refused
 */
export const parseAll = <T extends object>(parsers: { readonly [K in keyof T]: () => T[K] }): T => {
  const refused = new Refusals();
  const parsed: Partial<T> = {};
  for (const key of Object.keys(parsers) as (keyof T)[]) {
    refused.note(() => {
      parsed[key] = parsers[key]();
    });
  }
  refused.throwIfAny();
  // SAFETY: none was refused, so each parser has returned
  return parsed as T;
};

/** The same for a list. */
export const parseEach = <I, O>(items: readonly I[], parse: (item: I, index: number) => O): readonly O[] => {
  const refused = new Refusals();
  const parsed: O[] = [];
  for (const [index, item] of items.entries()) {
    refused.note(() => {
      parsed.push(parse(item, index));
    });
  }
  refused.throwIfAny();
  return parsed;
};

/** Runs every check of `checks`. */
export const checkAll = (...checks: readonly (() => void)[]): void => {
  parseEach(checks, (check) => check());
};

class Refusals {
  readonly #errors: FlintlockError[] = [];

  /** Other errors than a broken rule are thrown on at once. */
  note(work: () => void): void {
    try {
      work();
    } catch (error) {
      const isRefusal = error instanceof FlintlockError && error.code === "invalid_spec";
      if (!isRefusal || error.violations.length === 0) throw error;
      if (this.#errors.length < MAX_VIOLATIONS) this.#errors.push(error);
    }
  }

  throwIfAny(): void {
    const [first, ...others] = this.#errors;
    if (first === undefined) return;
    if (others.length === 0) throw first;
    throw invalidFields(this.#errors.flatMap(({ violations }) => violations).slice(0, MAX_VIOLATIONS));
  }
}

/** COMPAT: the first words are upstream's. */
const invalidFields = (violations: readonly Violation[]): FlintlockError => {
  const words = violations.map(({ field, problem }) => `${field}: ${problem}`).join("; ");
  return new FlintlockError("invalid_spec", `validation failures found: ${words}`, {
    detail: { field: violations[0]?.field ?? "" },
    violations,
  });
};
