/**
 * flintlockd. Starts, serves until a signal or until a part fails, stops in order: no new calls, calls in flight get a
 * moment, steps are cut off, the store is closed. VMs are left running: the next daemon adopts them.
 */

import { setFlagsFromString } from "node:v8";
import { FlintlockError, type Log, toFlintlockError, type UseCases } from "@flintlock/core";
import { type Access, checkAccessFiles, openAccess } from "./access.ts";
import { trustEveryone } from "./adapters/api/auth/authenticator.ts";
import { healthPages } from "./adapters/api/http/health-pages.ts";
import type { Readiness } from "./adapters/api/readiness.ts";
import { type ApiListener, type ApiServer, serveApi } from "./adapters/api/server.ts";
import { openLog } from "./adapters/logs/daemon-log.ts";
import { addressee, forgetNotifyEnvironment } from "./adapters/systemd/notify-environment.ts";
import { serviceManager } from "./adapters/systemd/service-manager.ts";
import { assemble } from "./assemble.ts";
import { checkText } from "./config/check.ts";
import { parseCommandLine } from "./config/command-line.ts";
import type { Config } from "./config/config.ts";
import { configHost } from "./config/config-host.ts";
import { helpText } from "./config/help.ts";
import { type LoadedConfig, loadConfig } from "./config/load-config.ts";
import { openDebug } from "./debugging.ts";
import { lastWords } from "./last-words.ts";
import { Lifetime } from "./lifetime.ts";
import { type Observers, startObservers } from "./observers.ts";
import {
  firstFailure,
  limitStop,
  PartFailure,
  watchBugs,
  watchHangUp,
  watchSignals,
} from "./process-signals.ts";
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
      await check(loadConfig(settings, configHost()));
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

const check = async (loaded: LoadedConfig): Promise<void> => {
  await checkAccessFiles(loaded.config);
  process.stdout.write(checkText(loaded));
};

/** Resolves when it was told to stop and has. @throws the error of the part that failed */
const serve = async (config: Config): Promise<void> => {
  // Debian keeps mke2fs and ip in sbin, which an ordinary user's PATH lacks.
  process.env["PATH"] = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
  // Everything we make is its owner's alone, whatever the shell we were started from says.
  process.umask(0o077);
  // Before anything is opened: a daemon that will not serve should not be seen to
  await checkAccessFiles(config);
  const systemd = addressee(process.env, process.pid);
  forgetNotifyEnvironment(process.env);
  const { log, reopen } = openLog({
    level: config.logLevel,
    format: config.logFormat,
    output: config.logOutput,
  });
  await using life = new Lifetime();
  watchSignals(life, log);
  watchHangUp(reopen, log);
  watchBugs(log);
  sayNotices(config, log);
  const observers = await startObservers(config, log, life);
  const access = await openAccess(config, log, life);
  const useCases = await assemble({ config, quotas: access.quotas, observers }, log, life);
  const addresses = config.hasApi ? await openApi(config, { log, life, access, observers, useCases }) : {};
  if (config.debugEndpoint !== undefined) {
    const metrics = (signal: AbortSignal): Promise<string> => observers.metricsText(useCases, signal);
    await openDebug(config.debugEndpoint, { log, life, metrics });
  }
  const manager = life.add("systemd", serviceManager(systemd, log), async (it) => it.close());
  await manager.ready(statusLine(addresses));
  log.info("flintlockd serves", { version: VERSION, pid: process.pid, stateDir: config.stateDir, addresses });
  const ending = await life.ending;
  limitStop(log);
  await manager.stopping();
  if (ending.kind === "failure") throw new PartFailure(ending.part, ending.error);
  log.info("stopping; microVMs keep running", { signal: ending.signal });
};

const statusLine = (addresses: ApiServer["addresses"]): string =>
  `serves on ${Object.values(addresses).join(", ") || "no address"}`;

interface Serving {
  readonly log: Log;
  readonly life: Lifetime;
  readonly access: Access;
  readonly observers: Observers;
  readonly useCases: UseCases;
}

const openApi = async (
  config: Config,
  { log, life, access, observers, useCases }: Serving,
): Promise<ApiServer["addresses"]> => {
  const readiness: Readiness = () => life.readiness.report();
  const limited = access.limited(useCases);
  const { interceptors, pages, ...observed } = observers.api;
  const server = await serveApi({
    useCases: (caller, info) => observers.traced(info, limited(caller, info)),
    bounds: () => useCases.host.info(),
    listeners: listenersOf(config, access),
    ...observed,
    interceptors: [...interceptors, ...access.interceptors],
    pages: [...healthPages(readiness), ...pages],
    readiness,
    onFailed: (listener, error) => life.fail(`listener ${listener}`, error),
    hasExecApi: config.hasExecApi,
    hasSshProxyApi: config.hasSshProxyApi,
    log: log.child({ component: "api" }),
  });
  life.add("api", server, (it) => it.close(DRAIN_MS));
  const reload = (): void => void Promise.all([access.reload(), server.reloadCertificates()]);
  process.on("SIGHUP", reload);
  life.add("reload", reload, async (it) => void process.off("SIGHUP", it));
  life.readiness.add("listeners", () => {
    if (Object.keys(server.addresses).length === 0) throw new Error("none is open");
    return undefined;
  });
  return server.addresses;
};

const sayNotices = ({ configFile, notices }: Config, log: Log): void => {
  if (configFile !== undefined) log.info("configuration read", { path: configFile });
  for (const { level, option, text } of notices) log[level](text, { option });
};

const listenersOf = (config: Config, access: Access): readonly ApiListener[] => {
  const { socketPath, grpcEndpoint, httpEndpoint, legacyGrpcEndpoint, legacyHttpEndpoint, tls } = config;
  const tcp = (
    protocol: "grpc" | "http",
    address: string | undefined,
    api: "current" | "legacy" = "current",
  ): readonly ApiListener[] => {
    if (address === undefined) return [];
    const name = api === "legacy" ? `legacy-${protocol}` : protocol;
    const authenticate = access.authenticator(name);
    return [{ name, where: { kind: "tcp", address, tls }, protocol, authenticate, api }];
  };
  return [
    { name: "unix", where: { kind: "unix", path: socketPath }, protocol: "any", authenticate: trustEveryone },
    ...tcp("grpc", grpcEndpoint),
    ...tcp("http", httpEndpoint),
    ...tcp("grpc", legacyGrpcEndpoint, "legacy"),
    ...tcp("http", legacyHttpEndpoint, "legacy"),
  ];
};

main(process.argv.slice(2)).then(
  (code) => {
    // Not process.exit(): what is still being written to a pipe is written.
    process.exitCode = code;
  },
  (thrown: unknown) => {
    const first = firstFailure(thrown);
    const { part, error } = first instanceof PartFailure ? first : { part: undefined, error: first };
    process.stderr.write(lastWords(error, part));
    process.exit(toFlintlockError(error).code === "invalid_spec" && part === undefined ? 2 : 1);
  },
);
