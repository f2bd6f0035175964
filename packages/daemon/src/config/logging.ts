/** How much is logged, how, and where to. */
import { resolve } from "node:path";
import type { LogLevel, LogOutput } from "./config.ts";
import { type Settings, SOURCES } from "./settings.ts";

/** `--log-level` and `--verbosity` say the same: the stronger source wins, then the name. */
export const logLevel = (settings: Settings): LogLevel => {
  const rank = (name: "log-level" | "verbosity"): number => SOURCES.indexOf(settings.source(name));
  if (settings.isSet("log-level") && rank("log-level") >= rank("verbosity")) return settings.get("log-level");
  const verbosity = settings.get("verbosity");
  // COMPAT: upstream's steps.
  if (verbosity >= 9) return "trace";
  return verbosity >= 2 ? "debug" : "info";
};

export const logOutput = (settings: Settings): LogOutput => {
  const where = settings.get("log-output");
  if (where === "stderr" || where === "") return { kind: "stderr" };
  return where === "stdout" ? { kind: "stdout" } : { kind: "file", path: resolve(where) };
};
