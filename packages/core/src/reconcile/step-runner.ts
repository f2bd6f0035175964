/**
 * Runs one step: in its turn (steps that load the host are few at a time), within its deadline, and abortable
 * while it waits as well as while it runs.
 */
import { FlintlockError } from "../domain/errors.ts";
import type { MicroVM } from "../domain/microvm.ts";
import { Semaphore } from "../kit/semaphore.ts";
import type { Clock } from "../ports/clock.ts";
import type { Step, StepKind } from "./plan.ts";
import type { StatusChange, StepHandlers } from "./steps.ts";
import { STEP_DEADLINES_MS } from "./steps.ts";

/** How many of a kind run at once on this host; a kind not named is not limited. */
export type StepLimits = Partial<Readonly<Record<StepKind, number>>>;

export interface StepResult {
  readonly change: StatusChange;
  /** Time the step itself took */
  readonly ms: number;
}

export class StepRunner {
  readonly #handlers: StepHandlers;
  readonly #clock: Clock;
  readonly #turns: ReadonlyMap<string, Semaphore>;

  constructor(handlers: StepHandlers, clock: Clock, limits: StepLimits) {
    this.#handlers = handlers;
    this.#clock = clock;
    this.#turns = new Map(Object.entries(limits).map(([kind, limit]) => [kind, new Semaphore(limit)]));
  }

  async run<K extends StepKind>(
    vm: MicroVM,
    step: Step<K> & { kind: K },
    signal: AbortSignal,
  ): Promise<StepResult> {
    const release = await this.#turns.get(step.kind)?.acquire(signal);
    const inner = new AbortController();
    const overdue = new AbortController();
    const started = this.#clock.monotonic();
    try {
      const deadlineMs = STEP_DEADLINES_MS[step.kind];
      const timer = this.#clock.sleep(deadlineMs, inner.signal).then(
        () => overdue.abort(deadlineError(step.kind, deadlineMs)),
        () => undefined,
      );
      const change = await this.#handlers[step.kind](vm, step, AbortSignal.any([signal, overdue.signal]));
      inner.abort();
      await timer;
      return { change, ms: this.#clock.monotonic() - started };
    } catch (error) {
      throw overdue.signal.aborted && !signal.aborted ? overdue.signal.reason : error;
    } finally {
      inner.abort();
      release?.();
    }
  }
}

const deadlineError = (kind: StepKind, ms: number): FlintlockError =>
  new FlintlockError("deadline_exceeded", `${kind} took longer than ${Math.round(ms / 1000)} s`);
