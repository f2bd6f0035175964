/**
 * flintlockd. Starts, serves until a signal, stops in order: no new calls, calls in flight get a moment, steps are cut off,
 * the store is closed. VMs are left running: the next daemon adopts them.
 */

import { once } from "node:events";
import { setFlagsFromString } from "node:v8";
import { FlintlockError, type Log, toFlintlockError } from "@flintlock/core";
import { type Access, openAccess } from "./access.ts";
import { trustEveryone } from "./adapters/api/auth/authenticator.ts";
import { readCredentialsFile } from "./adapters/api/auth/credentials-file.ts";
import { readCertificates } from "./adapters/api/listen/certificate-files.ts";
import { type ApiListener, serveApi } from "./adapters/api/server.ts";
import { pinoLog } from "./adapters/logs/pino-log.ts";
import { assemble } from "./assemble.ts";
import { checkText } from "./config/check.ts";
import { parseCommandLine } from "./config/command-line.ts";
import type { Config } from "./config/config.ts";
import { configHost } from "./config/config-host.ts";
import { helpText } from "./config/help.ts";
import { type LoadedConfig, loadConfig } from "./config/load-config.ts";
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

/** @throws FlintlockError `invalid_spec` – a file that the configuration names cannot be used */
const checkAccessFiles = async ({ authFile, tls }: Config): Promise<void> => {
  if (authFile !== undefined) await readCredentialsFile(authFile);
  if (tls !== undefined) await readCertificates(tls, new Date());
};

const serve = async (config: Config): Promise<void> => {
  // Debian keeps mke2fs and ip in sbin, which an ordinary user's PATH lacks.
  process.env["PATH"] = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
  // Everything we make is its owner's alone, whatever the shell we were started from says.
  process.umask(0o077);
  const log = pinoLog(config.logLevel);
  sayNotices(config, log);
  // Before anything is opened: a daemon that will not serve should not be seen to
  await checkAccessFiles(config);
  await using stack = new DisposeStack();
  const access = await openAccess(config, log, stack);
  const useCases = await assemble({ config, quotas: access.quotas }, log, stack);
  const server = await serveApi({
    useCases: access.limited(useCases),
    listeners: listenersOf(config, access),
    interceptors: access.interceptors,
    hasExecApi: config.hasExecApi,
    hasSshProxyApi: config.hasSshProxyApi,
    log: log.child({ component: "api" }),
  });
  stack.add("api", server, (it) => it.close(DRAIN_MS));
  const reload = (): void => void Promise.all([access.reload(), server.reloadCertificates()]);
  process.on("SIGHUP", reload);
  stack.add("reload", reload, async (it) => void process.off("SIGHUP", it));
  log.info("flintlockd serves", {
    version: VERSION,
    pid: process.pid,
    stateDir: config.stateDir,
    addresses: server.addresses,
  });
  const signal = await firstSignal();
  log.info("stopping; microVMs keep running", { signal });
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
