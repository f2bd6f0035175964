import type { Log, LogFields } from "@flintlock/core";
import { type Logger, pino } from "pino";

export type LogLevel = "debug" | "info" | "warn" | "error";

/** JSON lines on standard error. */
export const pinoLog = (level: LogLevel): Log =>
  wrap(
    pino(
      {
        level,
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      pino.destination({ fd: 2, sync: true }),
    ),
  );

const wrap = (logger: Logger): Log => ({
  debug: (message, fields) => logger.debug(fields ?? {}, message),
  info: (message, fields) => logger.info(fields ?? {}, message),
  warn: (message, fields) => logger.warn(fields ?? {}, message),
  error: (message, fields) => logger.error(fields ?? {}, message),
  child: (fields: LogFields) => wrap(logger.child(fields)),
});
