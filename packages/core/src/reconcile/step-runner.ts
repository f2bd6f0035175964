/**
 * Runs one step: in its turn (steps that load the host are few at a time), within its deadline, and abortable
 * while it waits as well as while it runs.
 */
import { FlintlockError, toFlintlockError } from "../domain/errors.ts";
import type { MicroVM } from "../domain/microvm.ts";
import { Semaphore } from "../kit/semaphore.ts";
import type { Clock } from "../ports/clock.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { Step, StepKind } from "./plan.ts";
import type { StatusChange, StepHandlers } from "./steps.ts";
import { deadlineOf, isOverdue } from "./steps.ts";
import { begin } from "./tell.ts";

/** How many of a kind run at once on this host; a kind not named is not limited. */
export type StepLimits = Partial<Readonly<Record<StepKind, number>>>;

/** A step that takes longer goes on without its turn: two guests that never come up must not keep all others waiting. */
const LONGEST_TURN_MS = 30_000;

/** How many steps of a kind run and how many wait for their turn; of the limited kinds only. */
export interface StepLoad {
  readonly running: number;
  readonly waiting: number;
}

export interface StepResult {
  readonly change: StatusChange;
  /** Time the step itself took */
  readonly ms: number;
}

export class StepRunner {
  readonly #handlers: StepHandlers;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #graceMs: number;
  readonly #turns: ReadonlyMap<string, Semaphore>;

  constructor(
    handlers: StepHandlers,
    { clock, telemetry }: { readonly clock: Clock; readonly telemetry: Telemetry },
    { limits, graceMs }: { readonly limits: StepLimits; readonly graceMs: number },
  ) {
    this.#handlers = handlers;
    this.#clock = clock;
    this.#telemetry = telemetry;
    this.#graceMs = graceMs;
    this.#turns = new Map(Object.entries(limits).map(([kind, limit]) => [kind, new Semaphore(limit)]));
  }

  load(): ReadonlyMap<string, StepLoad> {
    const load = new Map<string, StepLoad>();
    for (const [kind, turns] of this.#turns) load.set(kind, { running: turns.held, waiting: turns.waiting });
    return load;
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
    const asked = this.#clock.monotonic();
    const turns = this.#turns.get(step.kind);
    const release = await turns?.acquire(control.signal);
    const started = this.#clock.monotonic();
    const telling = begin(vm, this.#clock, this.#telemetry);
    const work = {
      kind: "step",
      step: step.kind,
      attempt: vm.status.retry + 1,
      waitedMs: turns === undefined ? 0 : started - asked,
    } as const;
    const deadlineMs = deadlineOf(step, this.#graceMs);
    const giveUpTurn = this.#clock.alarm(LONGEST_TURN_MS, () => release?.());
    const cancel = this.#clock.alarm(deadlineMs, () => control.abort(deadlineError(step.kind, deadlineMs)));
    try {
      const change = await this.#handlers[step.kind](vm, step, control.signal);
      telling.end(work, "ok");
      return { change, ms: this.#clock.monotonic() - started };
    } catch (thrown) {
      const error = isOverdue(control.signal) ? control.signal.reason : thrown;
      telling.end(work, toFlintlockError(error).code);
      throw error;
    } finally {
      giveUpTurn();
      cancel();
      release?.();
    }
  }
}

const deadlineError = (kind: StepKind, ms: number): FlintlockError =>
  new FlintlockError("deadline_exceeded", `${kind} took longer than ${Math.round(ms / 1000)} s`);
