/** The exit codes, documented and stable: scripts depend on them. */
import type { ClientErrorCode } from "@flintlock/client";

export const EXIT = {
  success: 0,
  unexpected: 1,
  usage: 2,
  notFound: 3,
  /** Already exists, conflict, stale version */
  conflict: 4,
  wrongState: 5,
  notAllowed: 6,
  unreachable: 7,
  timedOut: 8,
  noCapacity: 9,
  /** The host or provider lacks a capability */
  unsupported: 10,
  /** Some of several targets failed */
  partial: 11,
  integrity: 13,
  /** `run`, `exec` and `shell`: we failed before the command ran */
  notRun: 125,
  interrupted: 130,
  /** 128 + SIGPIPE: what a shell reports of a program whose reader left */
  outputClosed: 141,
} as const;

export const EXIT_BY_CODE = {
  invalid_spec: EXIT.usage,
  not_found: EXIT.notFound,
  already_exists: EXIT.conflict,
  conflict: EXIT.conflict,
  failed_precondition: EXIT.wrongState,
  unauthenticated: EXIT.notAllowed,
  permission_denied: EXIT.notAllowed,
  unsupported: EXIT.unsupported,
  exhausted: EXIT.noCapacity,
  unavailable: EXIT.unreachable,
  deadline_exceeded: EXIT.timedOut,
  canceled: EXIT.interrupted,
  out_of_range: EXIT.conflict,
  data_loss: EXIT.integrity,
  provider_failed: EXIT.unexpected,
  internal: EXIT.unexpected,
} as const satisfies Record<ClientErrorCode, number>;

export const exitCodeOf = (code: string): number =>
  Object.hasOwn(EXIT_BY_CODE, code) ? EXIT_BY_CODE[code as ClientErrorCode] : EXIT.unexpected;

const SIGNAL_NUMBERS: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  USR1: 10,
  USR2: 12,
  TERM: 15,
};

/** 128+n, as shells report a program that a signal ended. */
export const exitCodeOfSignal = (name: string): number => 128 + (SIGNAL_NUMBERS[name] ?? 0);
