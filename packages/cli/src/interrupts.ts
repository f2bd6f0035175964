/**
 * Signals. Outside of an attached session the first INT, TERM or HUP aborts what runs, so that it can clean
 * up and say what was left; the second ends the program at once. A session takes the signals over and sends
 * them to the guest's process.
 */
import { Interrupted } from "./cli-error.ts";
import { exitCodeOfSignal } from "./exit-codes.ts";
import type { Io } from "./io.ts";

export const FORWARDED_SIGNALS = ["INT", "TERM", "HUP", "QUIT", "USR1", "USR2"] as const;
export type SignalName = (typeof FORWARDED_SIGNALS)[number];

const STOPPING_SIGNALS: readonly SignalName[] = ["INT", "TERM", "HUP"];
/** That many INT or TERM to a session that does not end, and the session is given up; docker's number. */
const PATIENCE = 3;

export interface Interrupts {
  /** Aborts with an `Interrupted` */
  readonly signal: AbortSignal;
  /** What a second signal leaves behind, for the user to read; undefined = nothing */
  leftBehind: (() => string | undefined) | undefined;
  /** Sends signals to `handler` until the returned function is called. */
  takeOver(handler: (name: SignalName) => void): () => void;
  dispose(): void;
}

export const createInterrupts = (io: Io): Interrupts => {
  const controller = new AbortController();
  let handler: ((name: SignalName) => void) | undefined;
  let forwarded = 0;

  const stop = (name: SignalName) => {
    if (controller.signal.aborted) {
      const left = interrupts.leftBehind?.();
      if (left !== undefined) io.stderr.write(`${left}\n`);
      io.exit(exitCodeOfSignal(name));
    } else {
      controller.abort(new Interrupted(name));
    }
  };
  const receive = (name: SignalName) => () => {
    if (handler === undefined || controller.signal.aborted) return stop(name);
    handler(name);
    if (name === "INT" || name === "TERM") forwarded += 1;
    if (forwarded >= PATIENCE) stop(name);
  };
  const listeners = FORWARDED_SIGNALS.map((name) => ({ name, listener: receive(name) }));
  const listen = (wanted: boolean, names: readonly SignalName[]) => {
    for (const { name, listener } of listeners) {
      if (names.includes(name)) io.signals[wanted ? "on" : "off"](`SIG${name}`, listener);
    }
  };
  const others = FORWARDED_SIGNALS.filter((name) => !STOPPING_SIGNALS.includes(name));

  listen(true, STOPPING_SIGNALS);
  const interrupts: Interrupts = {
    signal: controller.signal,
    leftBehind: undefined,
    takeOver: (next) => {
      handler = next;
      forwarded = 0;
      listen(true, others);
      return () => {
        handler = undefined;
        listen(false, others);
      };
    },
    dispose: () => listen(false, FORWARDED_SIGNALS),
  };
  return interrupts;
};
