/**
 * flintlockd. Starts, serves until a signal, stops in order: no new calls, calls in flight get a moment, steps are cut off,
 * the store is closed. VMs are left running: the next daemon adopts them.
 */

import { once } from "node:events";
import { cpus } from "node:os";
import { setFlagsFromString } from "node:v8";
import { toFlintlockError } from "@flintlock/core";
import { trustEveryone } from "./adapters/api/auth/authenticator.ts";
import { type ApiListener, serveApi } from "./adapters/api/server.ts";
import { pinoLog } from "./adapters/logs/pino-log.ts";
import { assemble } from "./assemble.ts";
import { type Config, HELP, parseConfig } from "./config.ts";
import { DisposeStack } from "./dispose-stack.ts";
import { VERSION } from "./version.ts";

const DRAIN_MS = 5_000;

// A daemon lives long and shares its host: V8 should collect sooner rather than let the heap grow to four times its contents.
setFlagsFromString("--optimize-for-size");

const main = async (args: readonly string[]): Promise<number> => {
  const [command, ...rest] = args;
  switch (command) {
    case "run": {
      const config = parseConfig(rest, process.env, cpus().length);
      if (config === "help") break;
      await serve(config);
      return 0;
    }
    case "version":
      process.stdout.write(rest.includes("--short") ? `${VERSION}\n` : `flintlock ${VERSION}\n`);
      return 0;
    case undefined:
    case "help":
    case "--help":
    case "-h":
      break;
    default:
      process.stderr.write(`flintlockd: unknown command '${command}'\n${HELP}`);
      return 2;
  }
  process.stdout.write(HELP);
  return 0;
};

const serve = async (config: Config): Promise<void> => {
  // Debian keeps mke2fs and ip in sbin, which an ordinary user's PATH lacks.
  process.env["PATH"] = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
  // Everything we make is its owner's alone, whatever the shell we were started from says.
  process.umask(0o077);
  const log = pinoLog(config.logLevel);
  await using stack = new DisposeStack();
  const useCases = await assemble(config, log, stack);
  const server = await serveApi({
    useCases: () => useCases,
    listeners: listenersOf(config),
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
