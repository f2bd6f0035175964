/**
 * Makes the host agree with the records, one microVM at a time, each on its own: a slow neighbour delays nobody.
 *
 * For one VM: read the record, observe, plan, run the first step, and again, until the plan is settled. A failed
 * step counts as one attempt and is tried again after the back-off that the record holds, so a restart of the
 * daemon neither forgets nor hastens it. A new wish (delete, stop, restart, …) cuts off whatever step is running.
 *
 * INVARIANTS: at most one loop per uid; a loop ends only with the record settled, waiting or gone; nothing thrown
 * in a loop reaches another.
 */
import { FlintlockError, toFlintlockError } from "../domain/errors.ts";
import type { GuestExit, MicroVM } from "../domain/microvm.ts";
import type { Uid } from "../domain/units.ts";
import type { Ending, ReconcileResult } from "../ports/telemetry.ts";
import { Alarms, SUPERSEDED } from "./alarms.ts";
import { availabilityOf } from "./availability.ts";
import { observe } from "./observe.ts";
import { ended, failed, type Settled, settled } from "./outcome.ts";
import { hasComeUp, labelOf, plan, type StepKind } from "./plan.ts";
import type { Ports } from "./ports.ts";
import { providerOf } from "./ports.ts";
import { STABLE_RUN_MS } from "./restart.ts";
import { DEFAULT_MAX_RETRY } from "./retry.ts";
import type { StepLimits, StepLoad } from "./step-runner.ts";
import { StepRunner } from "./step-runner.ts";
import { createStepHandlers, type StatusChange } from "./steps.ts";
import { begin, isFirst, spanOf } from "./tell.ts";

/** More steps than any plan needs: a plan that never empties is a bug, and says so. */
const STEP_BUDGET = 256;
const MAX_CAUSE_TEXT = 4096;
/** Pause before a VM is looked at again that could not be observed, or not be released. */
const LOOK_AGAIN_MS = 30_000;

export interface ReconcilerOptions {
  readonly limits: StepLimits;
  /** Also of a stop that names none */
  readonly deleteGraceMs: number;
  /** Failed attempts after which a VM is FAILED; upstream's 10 when absent */
  readonly maxRetry?: number;
}

/** What the reconciler has to do now. */
export interface ReconcilerLoad {
  /** MicroVMs whose loop runs */
  readonly running: number;
  /** MicroVMs that are looked at again later: after a back-off, or when their VMM ends */
  readonly watched: number;
  readonly steps: ReadonlyMap<string, StepLoad>;
}

interface Loop {
  /** Of the step that runs, or ran last */
  step: AbortController;
  /** The step was cut off because it is no longer wanted */
  isCut: boolean;
  /** The record that was last planned for: a wish that is only repeated must not cut off its step again and again */
  serves: MicroVM | undefined;
  /** Something changed while the loop ran: go round once more */
  isDirty: boolean;
  readonly done: Promise<void>;
}

export class Reconciler {
  readonly #ports: Ports;
  readonly #runner: StepRunner;
  readonly #maxRetry: number;
  readonly #loops = new Map<Uid, Loop>();
  readonly #alarms: Alarms;
  #isClosed = false;

  constructor(ports: Ports, options: ReconcilerOptions) {
    this.#ports = ports;
    this.#alarms = new Alarms(ports, (uid) => this.poke(uid));
    this.#maxRetry = options.maxRetry ?? DEFAULT_MAX_RETRY;
    const { limits, deleteGraceMs: graceMs } = options;
    this.#runner = new StepRunner(createStepHandlers(ports, graceMs), ports, { limits, graceMs });
  }

  /** No VM is looked after any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Looks at every record: at start, and whenever the host may have changed behind our back. */
  resync(): void {
    for (const vm of this.#ports.repository.all()) this.poke(vm.uid);
  }

  /** Something about `uid` changed. Returns at once. */
  poke(uid: Uid): void {
    if (this.#isClosed) return;
    const running = this.#loops.get(uid);
    if (running === undefined) {
      this.#alarms.silence(uid);
      const loop: Loop = {
        step: new AbortController(),
        isCut: false,
        serves: undefined,
        isDirty: true,
        done: Promise.resolve(),
      };
      this.#loops.set(uid, loop);
      Object.assign(loop, { done: this.#run(uid, loop) });
      return;
    }
    running.isDirty = true;
    const vm = this.#ports.repository.find(uid);
    const { serves } = running;
    if (vm !== undefined && serves !== undefined && !isSameWish(vm, serves)) {
      cut(running, "something else is wanted of the microvm");
    }
  }

  /** Resolves when nothing is left to do for `uid` now: it is settled, waits, or is gone. */
  async idle(uid: Uid): Promise<void> {
    await this.#loops.get(uid)?.done;
  }

  load(): ReconcilerLoad {
    return { running: this.#loops.size, watched: this.#alarms.size, steps: this.#runner.load() };
  }

  /** Stops all loops at their next step, which is cut off. VMs keep running. */
  async close(): Promise<void> {
    this.#isClosed = true;
    // Each by itself: signals derived from one that lives as long as the daemon would pile up in it.
    for (const loop of this.#loops.values()) cut(loop, "the daemon is stopping");
    this.#alarms.close();
    await Promise.all([...this.#loops.values()].map(({ done }) => done));
  }

  async #run(uid: Uid, loop: Loop): Promise<void> {
    // A tick's pause: poke() returns before anything happens.
    await Promise.resolve();
    try {
      while (loop.isDirty && !this.#isClosed) {
        loop.isDirty = false;
        loop.isCut = false;
        await this.#reconcile(uid, loop);
      }
    } catch (error) {
      this.#ports.log.error("reconcile ended unexpectedly", { uid, error: toFlintlockError(error).message });
      this.#alarms.after(uid, STABLE_RUN_MS);
    } finally {
      this.#loops.delete(uid);
    }
  }

  async #reconcile(uid: Uid, loop: Loop): Promise<void> {
    const vm = this.#ports.repository.find(uid);
    if (vm === undefined) return;
    const round = begin(vm, this.#ports.clock, this.#ports.telemetry);
    const result = await this.#round(vm, loop);
    round.end({ kind: "reconcile", result }, "ok");
  }

  async #round(vm: MicroVM, loop: Loop): Promise<ReconcileResult> {
    const { uid } = vm;
    const obstacle = await this.#obstacleOf(vm);
    if (obstacle !== undefined) {
      // Whoever cannot see a VM must not judge it: it may well be running.
      this.#ports.log.warn("a microvm's provider does not work here; it is left alone", {
        uid,
        provider: vm.spec.provider,
        reason: obstacle,
      });
      this.#alarms.after(uid, LOOK_AGAIN_MS);
      return "unobserved";
    }
    const wait = (vm.status.notBefore ?? 0) - this.#ports.clock.now();
    if (wait > 0 && vm.deletedAt === undefined && vm.status.state === "pending") {
      this.#alarms.after(uid, wait);
      return "waiting";
    }
    let at: { readonly vm: MicroVM; readonly step: StepKind } | undefined;
    /** What steps found out and the record does not hold yet: it is written with the outcome */
    let draft: StatusChange = {};
    try {
      const timings: Record<string, number> = {};
      for (let budget = STEP_BUDGET; budget > 0; budget--) {
        const record = this.#ports.repository.find(uid);
        if (record === undefined) return "gone";
        loop.serves = record;
        at = undefined;
        const before = { ...record, status: { ...record.status, ...draft } };
        const observed = await observe(before, this.#ports);
        if (hasComeUp(observed.machine) && !before.status.hasRun) draft = { ...draft, hasRun: true };
        const current = { ...record, status: { ...record.status, ...draft } };
        const next = plan(current, observed);
        if (next.kind === "settled") {
          await this.#settle(record, { ...next, timings }, { ...draft, ...this.#calm(current) });
          return "settled";
        }
        if (next.kind === "ended") {
          await this.#ended(record, next.exit, draft);
          return "ended";
        }
        const { kind } = next.next;
        const label = labelOf(next.next);
        at = { vm: record, step: kind };
        // INVARIANTS: an image is pinned before anything stands on it, or a prune could take it away; that a guest has
        // run is on the record before its remains go; since when a guest is up, before it is waited for.
        const isDue = draft.hasRun || (kind === "awaitCondition" && draft.readyAt !== undefined);
        if ((draft.images !== undefined && kind !== "pullImage") || isDue) {
          await this.#ports.repository.updateStatus(uid, draft);
          draft = {};
        }
        // Nothing is awaited between this question and the step's start.
        if (loop.isCut) return "cut";
        loop.step = new AbortController();
        const { change, ms } = await this.#runner.run(current, next.next, loop.step);
        draft = { ...draft, ...change };
        timings[label] = (timings[label] ?? 0) + ms;
        this.#ports.log.debug("step done", { uid, step: label, durationMs: Math.round(ms) });
      }
      throw new FlintlockError("internal", `the plan did not settle within ${STEP_BUDGET} steps`);
    } catch (error) {
      if (loop.isCut) return "cut";
      const failure = toFlintlockError(error);
      return at === undefined
        ? this.#unobserved(uid, failure)
        : await this.#failed(at.vm, at.step, failure, draft);
    }
  }

  /** Why its provider can do nothing for it. What is to end is ended and released without the VMM's program. */
  async #obstacleOf({ spec, deletedAt, run }: MicroVM): Promise<string | undefined> {
    const provider = this.#ports.providers.get(spec.provider);
    if (provider === undefined) return "it is not enabled";
    if (deletedAt !== undefined || run.state === "stopped") return undefined;
    const { isUsable, reason } = await availabilityOf(provider, this.#ports.clock);
    return isUsable ? undefined : reason;
  }

  /** Our blindness says nothing of the VM: no attempt is counted, nothing is released, and we look again later. */
  #unobserved(uid: Uid, { code, message }: FlintlockError): ReconcileResult {
    this.#ports.log.warn("a microvm could not be observed", { uid, code, error: message });
    this.#alarms.after(uid, LOOK_AGAIN_MS);
    return "unobserved";
  }

  /** A run that has lasted: those before it are forgiven. */
  #calm({ status }: MicroVM): StatusChange {
    const { restarts, readyAt } = status;
    const isStable = readyAt !== undefined && this.#ports.clock.now() - readyAt >= STABLE_RUN_MS;
    return restarts > 0 && isStable ? { restarts: 0, reason: undefined } : {};
  }

  async #settle(vm: MicroVM, outcome: Settled, found: StatusChange): Promise<void> {
    const { uid } = vm;
    const { state } = outcome;
    const now = this.#ports.clock.now();
    const isNews = vm.status.state !== state;
    if (isNews) {
      const record = await this.#note(vm, (current) => settled(current, outcome, found, now));
      if (record === undefined) return;
      if (state === "created") this.#tellReady(vm, "ok");
      const what = state === "created" ? "microvm is ready" : `microvm is ${state}`;
      this.#ports.log.info(what, { uid, name: `${vm.namespace}/${vm.id}` });
    } else if (Object.keys(found).length > 0) {
      // What a new daemon made again for a VM that it adopted.
      await this.#ports.repository.updateStatus(uid, found);
    }
    if (state === "created" || state === "paused") this.#watch(vm);
  }

  /** Until its VMM ends, or until a run that followed short ones is no longer a short one itself. */
  #watch(vm: MicroVM): void {
    const { uid } = vm;
    const { restarts, readyAt } = (this.#ports.repository.find(uid) ?? vm).status;
    const ref = { uid, directory: this.#ports.directories.path(vm) };
    const exited = (signal: AbortSignal) => providerOf(this.#ports, vm).exited(ref, signal);
    if (restarts === 0 || readyAt === undefined) {
      this.#alarms.when(uid, exited);
      return;
    }
    const restMs = Math.max(0, readyAt + STABLE_RUN_MS - this.#ports.clock.now());
    this.#alarms.when(uid, async (signal) => {
      const over = new AbortController();
      const either = AbortSignal.any([signal, over.signal]);
      try {
        await Promise.race([exited(either), this.#ports.clock.sleep(restMs, either)]);
      } finally {
        over.abort(SUPERSEDED);
      }
    });
  }

  /** The guest ended by itself, or its VMM did. */
  async #ended(vm: MicroVM, exit: GuestExit, found: StatusChange): Promise<void> {
    const { uid } = vm;
    this.#ports.log.info("guest ended", { uid, code: exit.code, reason: exit.reason });
    const now = this.#ports.clock.now();
    await this.#note(vm, (current) => ended(current, exit, found, now));
    this.#pokeSoon(uid);
  }

  /** Writes an outcome, unless something else was asked for meanwhile: that wish stands. */
  async #note(vm: MicroVM, outcome: (vm: MicroVM) => MicroVM): Promise<MicroVM | undefined> {
    let isWanted = false;
    const record = await this.#ports.repository.update(vm.uid, (current) => {
      isWanted = isSameWish(current, vm);
      return isWanted ? outcome(current) : current;
    });
    return isWanted ? record : undefined;
  }

  /** What its creator has waited for since the request. */
  #tellReady(vm: MicroVM, ending: Ending): void {
    if (!isFirst(vm)) return;
    const startedAt = vm.createdAt;
    const ms = Math.max(0, this.#ports.clock.now() - startedAt);
    this.#ports.telemetry.ended(spanOf(vm, { work: { kind: "ready" }, startedAt, ms, ending }));
  }

  async #failed(
    vm: MicroVM,
    step: StepKind,
    error: FlintlockError,
    found: StatusChange,
  ): Promise<ReconcileResult> {
    const { uid } = vm;
    const now = this.#ports.clock.now();
    const record = await this.#note(vm, (current) =>
      failed(current, { step, error, maxRetry: this.#maxRetry }, found, now),
    );
    this.#ports.log.warn("step failed", {
      uid,
      step,
      code: error.code,
      error: error.message,
      cause: causeText(error),
    });
    if (record === undefined) return "cut";
    if (step === "adjustMachine") {
      this.#pokeSoon(uid);
      return "retry";
    }
    if (vm.status.state === "failed") {
      this.#alarms.after(uid, LOOK_AGAIN_MS);
      return "failed";
    }
    if (record.status.state === "failed") {
      this.#tellReady(vm, error.code);
      this.#pokeSoon(uid);
      return "failed";
    }
    const afterMs = (record.status.notBefore ?? now) - now;
    this.#alarms.after(uid, Math.max(afterMs, 0));
    return "retry";
  }

  /** Goes round again in the loop that is running. */
  #pokeSoon(uid: Uid): void {
    const loop = this.#loops.get(uid);
    if (loop === undefined) this.poke(uid);
    else loop.isDirty = true;
  }
}

const cut = (loop: Loop, why: string): void => {
  loop.isCut = true;
  loop.step.abort(new FlintlockError("canceled", why));
};

const isSameWish = (a: MicroVM, b: MicroVM): boolean =>
  a.run === b.run && (a.deletedAt === undefined) === (b.deletedAt === undefined);

const causeText = (error: FlintlockError): string | undefined =>
  error.cause instanceof Error ? error.cause.message.slice(0, MAX_CAUSE_TEXT) : undefined;
