/** When a microVM's time is over, by its time to live or because nobody uses it, and what follows. Pure. */
import { invalidField } from "./errors.ts";
import type { ExpiryAction, ExpiryCause, MicroVM } from "./microvm.ts";
import { deleted, stop } from "./run-wish.ts";
import { type UnixMs, unixMs } from "./units.ts";
import { parseAll } from "./violations.ts";

/** As it came over the wire. */
export interface ExpiryInput {
  /** From now on; 0 = none; undefined = as it is */
  readonly ttlSeconds: number | undefined;
  readonly idleSeconds: number | undefined;
  /** "delete", "stop", or "" for as it is, to begin with: time to live deletes, idleness stops */
  readonly action: string;
}

export const EXPIRY_ACTIONS = ["delete", "stop"] as const satisfies readonly ExpiryAction[];
/** 366 days */
export const MAX_EXPIRY_SECONDS = 366 * 86_400;

/** What a microVM has afterwards; undefined when nothing is left of it. @throws FlintlockError `invalid_spec` */
export const newExpiry = (
  before: MicroVM["expiry"],
  input: ExpiryInput,
  now: UnixMs,
  prefix: "" | "expiry.",
): MicroVM["expiry"] => {
  const actionField = prefix === "" ? "expiry_action" : `${prefix}action`;
  const { ttlMs, idleMs, action } = parseAll({
    ttlMs: () => parseSeconds(input.ttlSeconds, `${prefix}ttl_seconds`),
    idleMs: () => parseSeconds(input.idleSeconds, `${prefix}idle_seconds`),
    action: () => parseAction(input.action, actionField),
  });
  const expiry = {
    at: ttlMs === undefined ? before?.at : ttlMs === 0 ? undefined : unixMs(now + ttlMs),
    idleMs: idleMs === undefined ? before?.idleMs : idleMs || undefined,
    action: action ?? before?.action,
  };
  if (expiry.at !== undefined || expiry.idleMs !== undefined) return expiry;
  if (action === undefined) return undefined;
  throw invalidField(actionField, "goes with a time to live or an idle time");
};

/** In ms. */
const parseSeconds = (seconds: number | undefined, field: string): number | undefined => {
  if (seconds === undefined) return undefined;
  if (Number.isInteger(seconds) && seconds >= 0 && seconds <= MAX_EXPIRY_SECONDS) return seconds * 1000;
  throw invalidField(field, `${seconds} is out of range: must be 1 to ${MAX_EXPIRY_SECONDS}, or 0 for none`);
};

const parseAction = (text: string, field: string): ExpiryAction | undefined => {
  if (text === "") return undefined;
  const action = EXPIRY_ACTIONS.find((each) => each === text);
  if (action !== undefined) return action;
  throw invalidField(field, `must be ${EXPIRY_ACTIONS.join(" or ")}`);
};

/** What the daemon that runs now knows of who uses a guest. */
export interface Use {
  /** Somebody does at this moment */
  readonly isOpen: boolean;
  /** When it was last so, or the guest came up; undefined = not since this daemon runs */
  readonly lastAt: UnixMs | undefined;
}

export interface Due {
  readonly cause: ExpiryCause;
  readonly at: UnixMs;
  readonly action: ExpiryAction;
}

/** What comes first; undefined when nothing will, as things are. Only a guest that is up and ready is ever idle. */
export const nextDue = (vm: MicroVM, use: Use): Due | undefined => {
  const { expiry, status } = vm;
  if (expiry === undefined || vm.deletedAt !== undefined) return undefined;
  const dues: Due[] = [];
  if (expiry.at !== undefined) dues.push({ cause: "ttl", at: expiry.at, action: actionOf(vm, "ttl") });
  if (expiry.idleMs !== undefined && status.state === "created" && !use.isOpen) {
    const since = Math.max(status.readyAt ?? 0, status.lastActiveAt ?? 0, use.lastAt ?? 0);
    dues.push({ cause: "idle", at: unixMs(since + expiry.idleMs), action: actionOf(vm, "idle") });
  }
  return dues.sort((a, b) => a.at - b.at)[0];
};

/** What is to be done now. */
export const dueAction = (vm: MicroVM, now: UnixMs, use: Use): Due | undefined => {
  const due = nextDue(vm, use);
  return due !== undefined && due.at <= now ? due : undefined;
};

/** Protection from deletion comes before it: such a microVM is stopped. */
const actionOf = ({ expiry, isProtected = false }: MicroVM, cause: ExpiryCause): ExpiryAction => {
  const action = expiry?.action ?? (cause === "ttl" ? "delete" : "stop");
  return isProtected ? "stop" : action;
};

/** The record with the wish that follows, and why; a time to live is spent with it. */
export const expired = (vm: MicroVM, { cause, action }: Due, now: UnixMs): MicroVM => {
  const next = action === "delete" ? deleted(vm, now) : stop(undefined)(vm);
  const { at: _spent, ...left } = vm.expiry ?? {};
  const rest = left.idleMs === undefined ? undefined : left;
  return {
    ...next,
    expiry: cause === "ttl" ? rest : vm.expiry,
    status: { ...next.status, expired: { cause, action, at: now, idleMs: vm.expiry?.idleMs } },
  };
};

/** One sentence's middle, such as "its time to live was over". */
export const expiredText = ({ cause, idleMs = 0 }: NonNullable<MicroVM["status"]["expired"]>): string =>
  cause === "ttl" ? "its time to live was over" : `nobody has used it for ${idleMs / 1000} s`;
