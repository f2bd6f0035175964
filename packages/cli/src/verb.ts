import type { Command } from "commander";
import type { Context } from "./context.ts";

/** One command: its flags, and what it does. Loaded only when it is used. */
export interface Verb {
  configure(command: Command): void;
  /** Returns the exit code. Throws what failed. */
  run(context: Context, command: Command): Promise<number>;
  /** Exit code of a failure, where it is not the table's */
  readonly failureCode?: number;
}

export interface VerbEntry {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** A verb, … */
  readonly load?: () => Promise<Verb>;
  /** … or a group of them */
  readonly verbs?: readonly VerbEntry[];
}

/** For flags that may be repeated. */
export const collect = (value: string, previous: readonly string[] | undefined): readonly string[] => [
  ...(previous ?? []),
  value,
];
