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
import { isOverdue, STEP_DEADLINES_MS } from "./steps.ts";

/** How many of a kind run at once on this host; a kind not named is not limited. */
export type StepLimits = Partial<Readonly<Record<StepKind, number>>>;

/** A step that takes longer goes on without its turn: two guests that never come up must not keep all others waiting. */
const LONGEST_TURN_MS = 30_000;

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

  /**
   * `step.abort` ends it from outside; a deadline that passes aborts it too, with `deadline_exceeded` as the reason.
   * @throws FlintlockError `deadline_exceeded`, or whatever the step throws
   */
  async run<K extends StepKind>(
    vm: MicroVM,
    step: Step<K> & { kind: K },
    control: AbortController,
  ): Promise<StepResult> {
    const release = await this.#turns.get(step.kind)?.acquire(control.signal);
    const started = this.#clock.monotonic();
    const deadlineMs = STEP_DEADLINES_MS[step.kind];
    const giveUpTurn = this.#clock.alarm(LONGEST_TURN_MS, () => release?.());
    const cancel = this.#clock.alarm(deadlineMs, () => control.abort(deadlineError(step.kind, deadlineMs)));
    try {
      const change = await this.#handlers[step.kind](vm, step, control.signal);
      return { change, ms: this.#clock.monotonic() - started };
    } catch (error) {
      throw isOverdue(control.signal) ? control.signal.reason : error;
    } finally {
      giveUpTurn();
      cancel();
      release?.();
    }
  }
}

const deadlineError = (kind: StepKind, ms: number): FlintlockError =>
  new FlintlockError("deadline_exceeded", `${kind} took longer than ${Math.round(ms / 1000)} s`);
