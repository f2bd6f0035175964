/**
 * Makes the host agree with the records, one microVM at a time, each on its own: a slow neighbour delays nobody.
 *
 * For one VM: read the record, observe, plan, run the first step, and again, until the plan is settled. A failed
 * step counts as one attempt and is tried again after the back-off that the record holds, so a restart of the
 * daemon neither forgets nor hastens it. A delete cuts off whatever step is running.
 *
 * INVARIANTS: at most one loop per uid; a loop ends only with the record settled, waiting or gone; nothing thrown
 * in a loop reaches another.
 */
import { FlintlockError, toFlintlockError } from "../domain/errors.ts";
import type { GuestExit, MicroVM, MicroVMStatus } from "../domain/microvm.ts";
import type { Uid } from "../domain/units.ts";
import { unixMs } from "../domain/units.ts";
import type { Ending, ReconcileResult } from "../ports/telemetry.ts";
import { availabilityOf } from "./availability.ts";
import { observe } from "./observe.ts";
import { plan } from "./plan.ts";
import type { Ports } from "./ports.ts";
import { providerOf } from "./ports.ts";
import { DEFAULT_MAX_RETRY, STABLE_RUN_MS, verdict } from "./retry.ts";
import type { StepLimits, StepLoad } from "./step-runner.ts";
import { StepRunner } from "./step-runner.ts";
import { createStepHandlers, type StatusChange } from "./steps.ts";
import { begin, isFirst, spanOf } from "./tell.ts";

/** More steps than any plan needs: a plan that never empties is a bug, and says so. */
const STEP_BUDGET = 256;
const MAX_FAILURE_TEXT = 4096;
/** Pause before a VM is looked at again after its exit watch failed. */
const WATCH_AGAIN_MS = 5_000;
/** Pause before a VM is looked at again that could not be observed, or not be released. */
const LOOK_AGAIN_MS = 30_000;

export interface ReconcilerOptions {
  readonly limits: StepLimits;
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
  /** The step belongs to a deletion: a repeated delete must not cut it off again and again */
  isDeletion: boolean;
  /** Something changed while the loop ran: go round once more */
  isDirty: boolean;
  readonly done: Promise<void>;
}

export class Reconciler {
  readonly #ports: Ports;
  readonly #runner: StepRunner;
  readonly #maxRetry: number;
  readonly #loops = new Map<Uid, Loop>();
  /** What wakes a VM later: its back-off, or the exit of its VMM */
  readonly #alarms = new Map<Uid, AbortController>();
  #isClosed = false;

  constructor(ports: Ports, options: ReconcilerOptions) {
    this.#ports = ports;
    this.#maxRetry = options.maxRetry ?? DEFAULT_MAX_RETRY;
    this.#runner = new StepRunner(createStepHandlers(ports, options.deleteGraceMs), ports, options.limits);
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
      this.#silence(uid);
      const loop: Loop = {
        step: new AbortController(),
        isCut: false,
        isDeletion: false,
        isDirty: true,
        done: Promise.resolve(),
      };
      this.#loops.set(uid, loop);
      Object.assign(loop, { done: this.#run(uid, loop) });
      return;
    }
    running.isDirty = true;
    if (!running.isDeletion && this.#ports.repository.find(uid)?.deletedAt !== undefined) {
      cut(running, "the microvm is being deleted");
    }
  }

  load(): ReconcilerLoad {
    return { running: this.#loops.size, watched: this.#alarms.size, steps: this.#runner.load() };
  }

  /** Stops all loops at their next step, which is cut off. VMs keep running. */
  async close(): Promise<void> {
    this.#isClosed = true;
    // Each by itself: signals derived from one that lives as long as the daemon would pile up in it.
    for (const loop of this.#loops.values()) cut(loop, "the daemon is stopping");
    for (const alarm of this.#alarms.values()) alarm.abort(SUPERSEDED);
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
      this.#alarm(uid, (signal) => this.#ports.clock.sleep(STABLE_RUN_MS, signal));
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
      this.#alarm(uid, (signal) => this.#ports.clock.sleep(LOOK_AGAIN_MS, signal));
      return "unobserved";
    }
    const wait = (vm.status.notBefore ?? 0) - this.#ports.clock.now();
    if (wait > 0 && vm.deletedAt === undefined && vm.status.state === "pending") {
      this.#alarm(uid, (signal) => this.#ports.clock.sleep(wait, signal));
      return "waiting";
    }
    let at = "observe";
    /** What steps found out and the record does not hold yet: it is written with the outcome */
    let draft: StatusChange = {};
    try {
      const timings: Record<string, number> = {};
      for (let budget = STEP_BUDGET; budget > 0; budget--) {
        const record = this.#ports.repository.find(uid);
        if (record === undefined) return "gone";
        const current = { ...record, status: { ...record.status, ...draft } };
        at = "observe";
        const next = plan(current, await observe(current, this.#ports));
        if (next.kind === "settled") {
          await this.#settle(record, next.state, { ...draft, timings });
          return "settled";
        }
        if (next.kind === "ended") {
          await this.#ended(record, next.exit, draft);
          return "ended";
        }
        at = next.next.kind;
        // INVARIANT: an image is pinned before anything stands on it, or a prune could take it away.
        if (draft.images !== undefined && at !== "pullImage") {
          await this.#ports.repository.updateStatus(uid, draft);
          draft = {};
        }
        // Nothing is awaited between this question and the step's start.
        if (loop.isCut) return "cut";
        loop.step = new AbortController();
        loop.isDeletion = current.deletedAt !== undefined;
        const { change, ms } = await this.#runner.run(current, next.next, loop.step);
        draft = { ...draft, ...change };
        timings[at] = (timings[at] ?? 0) + ms;
        this.#ports.log.debug("step done", { uid, step: at, durationMs: Math.round(ms) });
      }
      throw new FlintlockError("internal", `the plan did not settle within ${STEP_BUDGET} steps`);
    } catch (error) {
      if (loop.isCut) return "cut";
      return await this.#failed(uid, at, toFlintlockError(error), draft);
    }
  }

  /** Why its provider can do nothing for it. What is to be deleted is ended and released without the VMM's program. */
  async #obstacleOf({ spec, deletedAt }: MicroVM): Promise<string | undefined> {
    const provider = this.#ports.providers.get(spec.provider);
    if (provider === undefined) return "it is not enabled";
    if (deletedAt !== undefined) return undefined;
    const { isUsable, reason } = await availabilityOf(provider, this.#ports.clock);
    return isUsable ? undefined : reason;
  }

  async #settle(vm: MicroVM, state: "created" | "failed", found: StatusChange): Promise<void> {
    if (vm.status.state !== state) {
      await this.#ports.repository.update(vm.uid, (record) => {
        if (record.deletedAt !== undefined) return record;
        const status: MicroVMStatus = { ...record.status, ...found, state, notBefore: undefined };
        if (state === "failed") return { ...record, status };
        const ready = { ...status, retry: 0, failure: undefined, exit: undefined };
        return { ...record, status: ready, traceparent: undefined };
      });
      if (state === "created") this.#tellReady(vm, "ok");
      this.#ports.log.info("microvm is ready", { uid: vm.uid, name: `${vm.namespace}/${vm.id}` });
    } else if (Object.keys(found).length > 0) {
      // What a new daemon made again for a VM that it adopted.
      await this.#note(vm.uid, found);
    }
    if (state === "created") {
      const ref = { uid: vm.uid, directory: this.#ports.directories.path(vm) };
      this.#alarm(vm.uid, (signal) => providerOf(this.#ports, vm).exited(ref, signal));
    }
  }

  /** The guest ended by itself, or its VMM did. */
  async #ended(vm: MicroVM, exit: GuestExit, found: StatusChange): Promise<void> {
    if (vm.status.state === "exited") return;
    const now = this.#ports.clock.now();
    this.#ports.log.info("guest ended", { uid: vm.uid, code: exit.code, reason: exit.reason });
    if (vm.spec.restart === "no") return this.#note(vm.uid, { ...found, state: "exited", exit });
    // A run that was long enough starts the count anew, and the guest at once; a short one is a failed attempt.
    const isStable = vm.status.state === "created" && now - vm.updatedAt >= STABLE_RUN_MS;
    const retry = isStable ? 0 : vm.status.retry + 1;
    const next = isStable
      ? ({ kind: "retry", afterMs: 0 } as const)
      : verdict(vm.spec, { code: "provider_failed", retry }, this.#maxRetry);
    await this.#note(vm.uid, {
      ...found,
      state: next.kind === "fail" ? "failed" : "pending",
      exit,
      retry,
      notBefore: next.kind === "fail" ? undefined : unixMs(now + next.afterMs),
    });
    this.#pokeSoon(vm.uid);
  }

  /** Writes an outcome, unless the VM is to be deleted: that wish stands. */
  async #note(uid: Uid, status: StatusChange): Promise<void> {
    await this.#ports.repository.update(uid, (record) =>
      record.deletedAt === undefined ? { ...record, status: { ...record.status, ...status } } : record,
    );
  }

  /** What its creator has waited for since the request. */
  #tellReady(vm: MicroVM, ending: Ending): void {
    if (!isFirst(vm)) return;
    const startedAt = vm.createdAt;
    const ms = Math.max(0, this.#ports.clock.now() - startedAt);
    this.#ports.telemetry.ended(spanOf(vm, { work: { kind: "ready" }, startedAt, ms, ending }));
  }

  async #failed(
    uid: Uid,
    step: string,
    error: FlintlockError,
    found: StatusChange,
  ): Promise<ReconcileResult> {
    if (step === "observe") {
      // Our blindness says nothing of the VM: no attempt is counted, nothing is released, and we look again later.
      this.#ports.log.warn("a microvm could not be observed", {
        uid,
        code: error.code,
        error: error.message,
      });
      this.#alarm(uid, (signal) => this.#ports.clock.sleep(LOOK_AGAIN_MS, signal));
      return "unobserved";
    }
    const now = this.#ports.clock.now();
    let hadFailed = false;
    const before = this.#ports.repository.get(uid);
    const record = await this.#ports.repository.update(uid, (vm) => {
      hadFailed = vm.status.state === "failed";
      // What made it fail stays on the record; that its release failed as well is for the log.
      if (hadFailed) return vm;
      const retry = vm.status.retry + 1;
      const next = verdict(vm.spec, { code: error.code, retry }, this.#maxRetry);
      const isDeleting = vm.deletedAt !== undefined;
      const state = isDeleting ? "deleting" : next.kind === "fail" ? "failed" : "pending";
      const afterMs = next.kind === "retry" ? next.afterMs : isDeleting ? STABLE_RUN_MS : 0;
      return {
        ...vm,
        traceparent: state === "failed" ? undefined : vm.traceparent,
        status: {
          ...vm.status,
          ...found,
          state,
          retry,
          notBefore: state === "failed" ? undefined : unixMs(now + afterMs),
          failure: { step, code: error.code, message: failureText(error), at: now },
        },
      };
    });
    this.#ports.log.warn("step failed", {
      uid,
      step,
      code: error.code,
      error: error.message,
      cause: causeText(error),
    });
    if (hadFailed) {
      this.#alarm(uid, (signal) => this.#ports.clock.sleep(LOOK_AGAIN_MS, signal));
      return "failed";
    }
    if (record.status.state === "failed") {
      this.#tellReady(before, error.code);
      this.#pokeSoon(uid);
      return "failed";
    }
    const afterMs = (record.status.notBefore ?? now) - now;
    this.#alarm(uid, (signal) => this.#ports.clock.sleep(Math.max(afterMs, 0), signal));
    return "retry";
  }

  /** Goes round again in the loop that is running. */
  #pokeSoon(uid: Uid): void {
    const loop = this.#loops.get(uid);
    if (loop === undefined) this.poke(uid);
    else loop.isDirty = true;
  }

  /** Pokes `uid` once `wait` is over; a newer alarm replaces it. */
  #alarm(uid: Uid, wait: (signal: AbortSignal) => Promise<void>): void {
    this.#silence(uid);
    if (this.#isClosed) return;
    const alarm = new AbortController();
    this.#alarms.set(uid, alarm);
    wait(alarm.signal).then(
      () => this.#ring(uid, alarm),
      (error: unknown) => {
        if (alarm.signal.aborted) return;
        this.#ports.log.warn("watching a microvm failed", { uid, error: toFlintlockError(error).message });
        this.#alarm(uid, (signal) => this.#ports.clock.sleep(WATCH_AGAIN_MS, signal));
      },
    );
  }

  #silence(uid: Uid): void {
    this.#alarms.get(uid)?.abort(SUPERSEDED);
    this.#alarms.delete(uid);
  }

  #ring(uid: Uid, alarm: AbortController): void {
    if (this.#alarms.get(uid) === alarm) this.#alarms.delete(uid);
    if (!alarm.signal.aborted) this.poke(uid);
  }
}

/** One for all: a default reason is a new error with a stack, and there is one for every VM that settles. */
const SUPERSEDED = new FlintlockError("canceled", "something newer is waited for");

const cut = (loop: Loop, why: string): void => {
  loop.isCut = true;
  loop.step.abort(new FlintlockError("canceled", why));
};

const failureText = (error: FlintlockError): string =>
  (error.hint === undefined ? error.message : `${error.message}; ${error.hint}`).slice(0, MAX_FAILURE_TEXT);

const causeText = (error: FlintlockError): string | undefined =>
  error.cause instanceof Error ? error.cause.message.slice(0, MAX_FAILURE_TEXT) : undefined;
