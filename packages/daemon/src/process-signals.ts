/** What happens to the process from outside, or by a bug, or in a stop that takes too long. VMs live on in every case. */
import type { Log } from "@flintlock/core";
import { lastWords } from "./last-words.ts";
import type { Lifetime } from "./lifetime.ts";

/** What shells and systemd read: killed by signal n is 128 + n. */
const EXIT_CODE = { SIGINT: 130, SIGTERM: 143 } as const;
const STOP_DEADLINE_MS = 30_000;

/** A part of the daemon cannot go on. */
export class PartFailure extends Error {
  readonly part: string;
  readonly error: unknown;

  constructor(part: string, error: unknown) {
    super(`${part} failed`, { cause: error });
    this.name = "PartFailure";
    this.part = part;
    this.error = error;
  }
}

/** When closing fails as well, the runtime wraps both: what came first is what matters. */
export const firstFailure = (thrown: unknown): unknown => {
  let error = thrown;
  while (error instanceof Error && "suppressed" in error) error = error.suppressed;
  return error;
};

/** The first SIGINT or SIGTERM stops in order, the second at once. */
export const watchSignals = (life: Lifetime, log: Log): void => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (life.hasEnded) {
        log.warn("stopping at once: a second signal came", { signal });
        process.exit(EXIT_CODE[signal]);
      }
      life.stop(signal);
    });
  }
};

/** SIGHUP opens the log anew, for those who rotate it. */
export const watchHangUp = (reopenLog: () => void, log: Log): void => {
  process.on("SIGHUP", () => {
    try {
      reopenLog();
      log.info("the log is open again");
    } catch (error) {
      log.error("the log cannot be opened anew; the old file is kept", { error });
    }
  });
};

/** A bug is logged with its stack, and ends the process: what it left half done cannot be trusted. */
export const watchBugs = (log: Log): void => {
  process.on("uncaughtException", (error, origin) => {
    log.error("a bug ends the daemon; microVMs keep running", { origin, error });
    process.stderr.write(lastWords(error, "bug"));
    process.exit(1);
  });
};

/** A stop that hangs must not keep a new daemon from starting. */
export const limitStop = (log: Log): void => {
  setTimeout(() => {
    log.error("the stop took too long and is cut short", { afterMs: STOP_DEADLINE_MS });
    process.exit(1);
  }, STOP_DEADLINE_MS).unref();
};
