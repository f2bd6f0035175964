/**
 * What follows when a guest has ended by itself. Pure.
 *
 *     no               it is EXITED
 *     on-failure[:n]   the same after a good end, and after n restarts in a row; else as below
 *     unless-stopped   it starts again
 *     always           the same: what somebody has stopped stays stopped under either (docs/adr/0014)
 *
 * A run of STABLE_RUN_MS or more starts the count anew, and the guest at once. Shorter ones wait longer and longer, to
 * a cap; from the second in a row on the microVM is crash-looping. A host that restarts is nobody's failure: all but
 * `no` start again at once, and nothing is counted.
 */
import {
  type GuestExit,
  HOST_RESTARTED,
  type MicroVM,
  POWERED_OFF,
  type RestartPolicy,
  type StatusReason,
} from "../domain/microvm.ts";

/** A guest that ran this long before it ended is restarted at once; a shorter run counts as a failed attempt. */
export const STABLE_RUN_MS = 60_000;
/** Longest wait between two short runs. */
export const MAX_RESTART_DELAY_MS = 5 * 60_000;
/** COMPAT: with `always`, which is v1alpha1's, the first wait is upstream's of a failed attempt. */
const FIRST_DELAY_MS: Readonly<Record<Exclude<RestartPolicy, "no">, number>> = {
  "on-failure": 1_000,
  "unless-stopped": 1_000,
  always: 20_000,
};

export interface AfterEnd {
  /** Time until the next run; undefined = there is none */
  readonly afterMs: number | undefined;
  readonly restarts: number;
  readonly reason: StatusReason | undefined;
}

export const afterEnd = ({ spec, status }: MicroVM, exit: GuestExit): AfterEnd => {
  const { restart } = spec;
  const { restarts, reason, readyAt = exit.at } = status;
  if (restart === "no") return { afterMs: undefined, restarts, reason };
  if (exit.reason === HOST_RESTARTED) return { afterMs: 0, restarts, reason };
  const isShort = exit.at - readyAt < STABLE_RUN_MS;
  const inARow = isShort ? restarts : 0;
  const news = isShort && inARow > 0 ? ("crash-looping" as const) : undefined;
  const isOver =
    restart === "on-failure" &&
    (!isFailure(exit) || inARow >= (spec.maxRestarts ?? Number.POSITIVE_INFINITY));
  if (isOver) return { afterMs: undefined, restarts: inARow, reason: isFailure(exit) ? news : undefined };
  if (!isShort) return { afterMs: 0, restarts: 0, reason: undefined };
  return { afterMs: delayMs(FIRST_DELAY_MS[restart], inARow), restarts: inARow + 1, reason: news };
};

/** Doubles with each restart before it. */
const delayMs = (firstMs: number, before: number): number =>
  Math.min(MAX_RESTART_DELAY_MS, firstMs * 2 ** Math.min(before, 30));

/** A guest that reports no code and powers off has ended well; whatever else ends it has not. */
const isFailure = ({ code, reason }: GuestExit): boolean =>
  code === undefined ? reason !== POWERED_OFF : code !== 0;
