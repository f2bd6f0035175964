/**
 * Ends microVMs whose time is over: one alarm for each that can expire, set anew when its record or its use changes.
 *
 * INVARIANT: that a microVM expires, and why, is on its record before anything is done about it.
 */
import { toFlintlockError } from "../domain/errors.ts";
import { dueAction, expired, expiredText, nextDue, type Use } from "../domain/expiry.ts";
import type { MicroVM } from "../domain/microvm.ts";
import { type Uid, type UnixMs, unixMs } from "../domain/units.ts";
import type { Ports } from "./ports.ts";

/** A daemon that starts gives those who were cut off so long to come back, or the idle time where that is less */
const GRACE_MS = 60_000;
/** Timers know no more than 24 days; whatever is further away is looked at again */
const LONGEST_ALARM_MS = 86_400_000;
/** After a record could not be written */
const TRY_AGAIN_MS = 30_000;
/** When it was last used is written down in such parts of its idle time: not at each session */
const NOTED_PARTS = 4;
const LEAST_NOTED_MS = 1_000;

/** Says that a guest is in use, until the returned function is called. */
export interface Uses {
  begin(uid: Uid): () => void;
}

export class Expirer implements Uses {
  readonly #ports: Pick<Ports, "repository" | "clock" | "log">;
  readonly #poke: (uid: Uid) => void;
  readonly #seen = new Map<Uid, Pick<MicroVM, "expiry"> & { readonly isUp: boolean }>();
  readonly #uses = new Map<Uid, { open: number; lastAt: UnixMs | undefined }>();
  readonly #alarms = new Map<Uid, () => void>();
  readonly #unsubscribe: () => void;
  #isClosed = false;

  /** Begins at once. `poke`: a record has a new wish. */
  constructor(ports: Pick<Ports, "repository" | "clock" | "log">, poke: (uid: Uid) => void) {
    this.#ports = ports;
    this.#poke = poke;
    for (const vm of ports.repository.all()) this.#adopt(vm);
    this.#unsubscribe = ports.repository.subscribe((uid, vm) => this.#changed(uid, vm));
  }

  begin(uid: Uid): () => void {
    const use = this.#useOf(uid);
    use.open += 1;
    this.#touch(uid);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      use.open -= 1;
      this.#touch(uid);
    };
  }

  /** Nothing expires any more. */
  close(): void {
    this.#isClosed = true;
    this.#unsubscribe();
    for (const cancel of this.#alarms.values()) cancel();
    this.#alarms.clear();
  }

  #adopt(vm: MicroVM): void {
    const { idleMs } = vm.expiry ?? {};
    if (idleMs !== undefined) {
      const now = this.#ports.clock.now();
      this.#useOf(vm.uid).lastAt = unixMs(now + Math.min(idleMs, GRACE_MS) - idleMs);
    }
    this.#see(vm);
    this.#arm(vm.uid);
  }

  #changed(uid: Uid, vm: MicroVM | undefined): void {
    if (vm === undefined) {
      this.#seen.delete(uid);
      this.#uses.delete(uid);
      this.#arm(uid);
      return;
    }
    const before = this.#seen.get(uid);
    if (before === undefined && vm.expiry === undefined) return;
    this.#see(vm);
    const { isUp } = this.#seen.get(uid) ?? { isUp: false };
    const isNewlyUp = isUp && before?.isUp !== true;
    // Whoever lets it go on, or gives it a time, has just thought of it.
    if (isNewlyUp || (before !== undefined && before.expiry !== vm.expiry)) this.#touch(uid);
    else this.#arm(uid);
  }

  #see(vm: MicroVM): void {
    if (vm.expiry === undefined) this.#seen.delete(vm.uid);
    else this.#seen.set(vm.uid, { expiry: vm.expiry, isUp: vm.status.state === "created" });
  }

  #useOf(uid: Uid): { open: number; lastAt: UnixMs | undefined } {
    const known = this.#uses.get(uid) ?? { open: 0, lastAt: undefined };
    this.#uses.set(uid, known);
    return known;
  }

  #lookAt(uid: Uid): Use {
    const { open = 0, lastAt } = this.#uses.get(uid) ?? {};
    return { isOpen: open > 0, lastAt };
  }

  #touch(uid: Uid): void {
    if (this.#isClosed) return;
    const now = this.#ports.clock.now();
    this.#useOf(uid).lastAt = now;
    this.#arm(uid);
    const vm = this.#ports.repository.find(uid);
    const { idleMs } = vm?.expiry ?? {};
    if (vm === undefined || idleMs === undefined) return;
    const noted = Math.max(vm.status.lastActiveAt ?? 0, vm.status.readyAt ?? 0);
    if (now - noted < Math.max(LEAST_NOTED_MS, idleMs / NOTED_PARTS)) return;
    this.#write(uid, (current) => ({ ...current, status: { ...current.status, lastActiveAt: now } }));
  }

  #arm(uid: Uid): void {
    this.#alarms.get(uid)?.();
    this.#alarms.delete(uid);
    const vm = this.#ports.repository.find(uid);
    const due = vm && nextDue(vm, this.#lookAt(uid));
    if (due === undefined || this.#isClosed) return;
    const ms = Math.min(LONGEST_ALARM_MS, Math.max(0, due.at - this.#ports.clock.now()));
    this.#set(uid, ms);
  }

  #set(uid: Uid, ms: number): void {
    this.#alarms.set(
      uid,
      this.#ports.clock.alarm(ms, () => this.#ring(uid)),
    );
  }

  #ring(uid: Uid): void {
    this.#alarms.delete(uid);
    const now = this.#ports.clock.now();
    const vm = this.#ports.repository.find(uid);
    if (vm === undefined) return;
    if (dueAction(vm, now, this.#lookAt(uid)) === undefined) {
      this.#arm(uid);
      return;
    }
    this.#write(uid, (current) => {
      const due = dueAction(current, now, this.#lookAt(uid));
      return due === undefined ? current : expired(current, due, now);
    });
  }

  #write(uid: Uid, change: (vm: MicroVM) => MicroVM): void {
    const { repository, log } = this.#ports;
    const before = repository.find(uid)?.status.expired;
    repository.update(uid, change).then(
      (vm) => {
        const { expired: how } = vm.status;
        if (how === undefined || how === before) return;
        log.info("microvm has expired", { uid, action: how.action, reason: expiredText(how) });
        this.#poke(uid);
      },
      (error: unknown) => {
        if (this.#isClosed || repository.find(uid) === undefined) return;
        log.warn("a microvm that expires could not be written", {
          uid,
          error: toFlintlockError(error).message,
        });
        this.#alarms.get(uid)?.();
        this.#set(uid, TRY_AGAIN_MS);
      },
    );
  }
}
