/** Several targets in one command: all are tried, and what failed is told for each. */

import { codeOf, usageError } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { describeError, renderErrorText } from "./error-text.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";
import { object, renderData } from "./output.ts";
import { paletteFor } from "./palette.ts";

const CONCURRENCY = 8;

export type Outcome<T> =
  | { readonly target: string; readonly value: T }
  | { readonly target: string; readonly error: unknown };

/** Runs `action` for each, a few at a time; the outcomes are in the order of the targets. */
export const forEachTarget = async <T>(
  targets: readonly string[],
  signal: AbortSignal,
  action: (target: string) => Promise<T>,
): Promise<readonly Outcome<T>[]> => {
  const outcomes: Outcome<T>[] = [];
  const queue = [...targets.entries()];
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [index, target] = next;
      try {
        signal.throwIfAborted();
        outcomes[index] = { target, value: await action(target) };
      } catch (error) {
        outcomes[index] = { target, error };
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  return outcomes;
};

/**
 * Reports what failed, on stderr or, for programs, as one object for each target on stdout. Returns the exit
 * code: the failure's own for a single target or when all failed alike, else `partial`.
 */
export const concludeTargets = async <T>(
  context: Context,
  outcomes: readonly Outcome<T>[],
  { isDataPrinted = false }: { readonly isDataPrinted?: boolean } = {},
): Promise<number> => {
  const { io, globals, signal } = context;
  if (signal.aborted) throw signal.reason;
  const { output } = globals;
  if (!isDataPrinted && (output === "json" || output === "ndjson" || output === "yaml")) {
    await context.print(await renderData(outcomes.map(resultObject), output));
  }
  const failures = outcomes.flatMap((outcome) => ("error" in outcome ? [outcome.error] : []));
  for (const error of failures) {
    io.stderr.write(renderErrorText(describeError(error), paletteFor(io, io.stderr, globals.wantsColor)));
  }
  const codes = new Set(failures.map((error) => exitCodeOf(codeOf(error))));
  if (codes.size === 0) return EXIT.success;
  const [code = EXIT.unexpected] = codes;
  return codes.size === 1 && failures.length === outcomes.length ? code : EXIT.partial;
};

/** True when targets are to be printed as they are done, one name a line. */
export const printsNames = ({ globals: { output } }: Context): boolean =>
  output === undefined || output === "name" || output === "table" || output === "wide";

const resultObject = <T>(outcome: Outcome<T>) => {
  if (!("error" in outcome)) return object("Result", { target: outcome.target, ok: true });
  const { code, message, hint } = describeError(outcome.error);
  return object("Result", {
    target: outcome.target,
    ok: false,
    error: { code, message, ...(hint ? { hint } : {}) },
  });
};

/** At least one. @throws CliError `usage` */
export const requireTargets = (targets: readonly string[], what: string): readonly string[] => {
  if (targets.length === 0) throw usageError(`no ${what} was named`);
  if (targets.includes("")) throw usageError(`the name of a ${what} is empty`);
  return [...new Set(targets)];
};
