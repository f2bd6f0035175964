/** The daemon's log: pino's lines, redacted, as JSON or in upstream's text. */
import type { Log, LogFields } from "@flintlock/core";
import { type Logger, pino } from "pino";
import { type LogSink, openSink, type SinkTarget } from "./log-sink.ts";
import { logfmt } from "./logfmt.ts";
import { redactFields, redactText } from "./redact.ts";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: "text" | "json";
  readonly output: SinkTarget;
}

export interface DaemonLog {
  readonly log: Log;
  /** For log rotation. @throws FlintlockError – the file cannot be opened; the old one stays */
  readonly reopen: () => void;
}

/** @throws FlintlockError `failed_precondition` – the file cannot be opened */
export const openLog = ({ level, format, output }: LogOptions): DaemonLog => {
  const sink = openSink(output);
  return { log: createLog(level, format, sink), reopen: sink.reopen };
};

export const createLog = (level: LogLevel, format: "text" | "json", sink: Pick<LogSink, "write">): Log => {
  const write = format === "json" ? sink.write : (line: string) => sink.write(logfmt(JSON.parse(line)));
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    // COMPAT: logrus says "warning".
    formatters: { level: (label: string) => ({ level: label === "warn" ? "warning" : label }) },
  };
  // Not pino's own destination, which throws a failed write at whoever logs.
  return wrap(pino(options, { write }));
};

const wrap = (logger: Logger): Log => {
  const at =
    (level: "debug" | "info" | "warn" | "error") =>
    (message: string, fields: LogFields = {}): void => {
      if (logger.isLevelEnabled(level)) logger[level](redactFields(fields), redactText(message));
    };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => wrap(logger.child(redactFields(fields))),
  };
};
