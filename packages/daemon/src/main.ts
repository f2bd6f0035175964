/**
 * flintlockd. Starts, serves until a signal, stops in order: no new calls, calls in flight get a moment, steps are cut off,
 * the store is closed. VMs are left running: the next daemon adopts them.
 */

import { once } from "node:events";
import { setFlagsFromString } from "node:v8";
import { FlintlockError, type Log, tellEach, toFlintlockError } from "@flintlock/core";
import { trustEveryone } from "./adapters/api/auth/authenticator.ts";
import { type ApiListener, serveApi } from "./adapters/api/server.ts";
import { pinoLog } from "./adapters/logs/pino-log.ts";
import { createMetrics } from "./adapters/telemetry/metrics.ts";
import { metricsPages } from "./adapters/telemetry/pages.ts";
import { startTracing } from "./adapters/telemetry/tracing/tracing.ts";
import { systemClock } from "./adapters/time/system-clock.ts";
import { assemble } from "./assemble.ts";
import { checkText } from "./config/check.ts";
import { parseCommandLine } from "./config/command-line.ts";
import type { Config } from "./config/config.ts";
import { configHost } from "./config/config-host.ts";
import { helpText } from "./config/help.ts";
import { loadConfig } from "./config/load-config.ts";
import { DisposeStack } from "./dispose-stack.ts";
import { VERSION, versionText } from "./version.ts";

const DRAIN_MS = 5_000;

// A daemon lives long and shares its host: V8 should collect sooner rather than let the heap grow to four times its contents.
setFlagsFromString("--optimize-for-size");

const main = async (args: readonly string[]): Promise<number> => {
  const { words, settings, asks } = parseCommandLine(args);
  const command = words.join(" ");
  if (asks.has("help") || command === "help" || command === "") {
    process.stdout.write(helpText());
    return 0;
  }
  switch (command) {
    case "run":
      await serve(loadConfig(settings, configHost()).config);
      return 0;
    case "config check":
      process.stdout.write(checkText(loadConfig(settings, configHost())));
      return 0;
    case "version":
      process.stdout.write(versionText(asks.has("short") ? "short" : asks.has("long") ? "long" : "line"));
      return 0;
    default:
      throw new FlintlockError("invalid_spec", `unknown command '${command}'`, {
        hint: "flintlockd run, config check, version or --help",
      });
  }
};

const serve = async (config: Config): Promise<void> => {
  // Debian keeps mke2fs and ip in sbin, which an ordinary user's PATH lacks.
  process.env["PATH"] = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
  // Everything we make is its owner's alone, whatever the shell we were started from says.
  process.umask(0o077);
  refuseWhatIsNotThere(config);
  const log = pinoLog(config.logLevel);
  sayNotices(config, log);
  await using stack = new DisposeStack();
  const metrics = createMetrics({ version: VERSION, clock: systemClock, log });
  const tracing =
    config.otlpEndpoint === undefined
      ? undefined
      : await startTracing({ endpoint: config.otlpEndpoint, version: VERSION, log });
  stack.add("tracing", tracing, async (it) => it?.close());
  const telemetry = tellEach(
    [metrics, ...(tracing === undefined ? [] : [tracing])].map((it) => it.telemetry),
  );
  const useCases = await assemble(config, { log, observers: { ...metrics, telemetry }, stack });
  const server = await serveApi({
    useCases: (_caller, info) => tracing?.within(info, useCases) ?? useCases,
    listeners: listenersOf(config),
    interceptors: [metrics.calls.intercept, ...(tracing === undefined ? [] : [tracing.intercept])],
    meter: metrics.calls,
    pages: metricsPages(metrics),
    hasExecApi: config.hasExecApi,
    hasSshProxyApi: config.hasSshProxyApi,
    log: log.child({ component: "api" }),
  });
  stack.add("api", server, (it) => it.close(DRAIN_MS));
  log.info("flintlockd serves", {
    version: VERSION,
    pid: process.pid,
    stateDir: config.stateDir,
    addresses: server.addresses,
  });
  const signal = await firstSignal();
  log.info("stopping; microVMs keep running", { signal });
};

/** Options that protect must not be taken and ignored: whoever builds the part takes its line out. */
const refuseWhatIsNotThere = ({ tls, authFile, basicAuthToken }: Config): void => {
  const asked = { "tls-cert": tls, "auth-file": authFile, "basic-auth-token": basicAuthToken };
  for (const [option, value] of Object.entries(asked)) {
    if (value !== undefined) throw new FlintlockError("unsupported", `--${option} is not there yet`);
  }
};

const sayNotices = ({ configFile, notices }: Config, log: Log): void => {
  if (configFile !== undefined) log.info("configuration read", { path: configFile });
  for (const { level, option, text } of notices) log[level](text, { option });
};

const listenersOf = ({ socketPath, grpcEndpoint, httpEndpoint }: Config): readonly ApiListener[] => {
  const tcp = (name: "grpc" | "http", address: string | undefined): readonly ApiListener[] =>
    address === undefined
      ? []
      : [{ name, where: { kind: "tcp", address }, protocol: name, authenticate: trustEveryone }];
  return [
    { name: "unix", where: { kind: "unix", path: socketPath }, protocol: "any", authenticate: trustEveryone },
    ...tcp("grpc", grpcEndpoint),
    ...tcp("http", httpEndpoint),
  ];
};

const firstSignal = async (): Promise<string> => {
  const names = ["SIGINT", "SIGTERM"] as const;
  return Promise.race(
    names.map(async (name) => {
      await once(process, name);
      return name;
    }),
  );
};

main(process.argv.slice(2)).then(
  (code) => {
    // Not process.exit(): what is still being written to a pipe is written.
    process.exitCode = code;
  },
  (thrown: unknown) => {
    const error = toFlintlockError(thrown);
    const hint = error.hint === undefined ? "" : `\ntry: ${error.hint}`;
    const cause = error.cause instanceof Error ? `\nwhy: ${error.cause.message}` : "";
    process.stderr.write(`flintlockd: ${error.message}${cause}${hint}\n`);
    process.exit(error.code === "invalid_spec" ? 2 : 1);
  },
);
