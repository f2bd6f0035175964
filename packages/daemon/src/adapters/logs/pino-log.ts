import { writeSync } from "node:fs";
import type { Log, LogFields } from "@flintlock/core";
import { type Logger, pino } from "pino";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";

/** JSON lines on standard error. What cannot be written is lost: a full disk must not end the daemon. */
export const pinoLog = (level: LogLevel): Log =>
  wrap(
    pino(
      {
        level,
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      // Not pino's own destination, which throws a failed write at whoever logs.
      { write: writeQuietly },
    ),
  );

const writeQuietly = (line: string): void => {
  try {
    writeSync(2, line);
  } catch {
    // Nobody is left to tell.
  }
};

const wrap = (logger: Logger): Log => ({
  debug: (message, fields) => logger.debug(fields ?? {}, message),
  info: (message, fields) => logger.info(fields ?? {}, message),
  warn: (message, fields) => logger.warn(fields ?? {}, message),
  error: (message, fields) => logger.error(fields ?? {}, message),
  child: (fields: LogFields) => wrap(logger.child(fields)),
});
