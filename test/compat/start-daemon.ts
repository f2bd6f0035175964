/** Our daemon, with or without VMs, on TCP ports of its own choosing. */
import { setTimeout as sleep } from "node:timers/promises";
import { TestDaemon } from "../support/daemon.ts";
import type { Endpoints } from "./wire/case.ts";

export interface Started {
  readonly daemon: TestDaemon;
  readonly endpoints: Endpoints;
  /** Of the first published API, where it is served */
  readonly legacy: Endpoints | undefined;
}

/** Simulated: microVMs are records, and no host is touched. `access` says who may call, and how. */
export const startSimulated = (access: readonly string[] = ["--insecure"]): Promise<Started> =>
  startWithEndpoints(["--default-provider", "simulated", ...access]);

export const startWithEndpoints = async (args: readonly string[]): Promise<Started> => {
  const daemon = await TestDaemon.start([
    "--grpc-endpoint",
    "127.0.0.1:0",
    "--http-endpoint",
    "127.0.0.1:0",
    "--log-format",
    "json",
    ...args,
  ]);
  try {
    return { daemon, ...(await endpointsOf(daemon)) };
  } catch (error) {
    await daemon[Symbol.asyncDispose]();
    throw error;
  }
};

const SAYS_MS = 10_000;

/** The daemon says where it serves, a moment after it does. */
const endpointsOf = async (daemon: TestDaemon): Promise<Omit<Started, "daemon">> => {
  for (const end = Date.now() + SAYS_MS; Date.now() < end; await sleep(20)) {
    const line = daemon.log.split("\n").find((one) => /"msg":"flintlockd serves".*\}$/.test(one));
    if (line === undefined) continue;
    const { addresses } = JSON.parse(line) as { readonly addresses: Readonly<Record<string, string>> };
    const endpoints = pair(addresses["grpc"], addresses["http"]);
    if (endpoints === undefined) throw new Error(`no endpoints in ${line}`);
    return { endpoints, legacy: pair(addresses["legacy-grpc"], addresses["legacy-http"]) };
  }
  throw new Error(`the daemon does not say where it serves: ${daemon.log}`);
};

const pair = (grpc: string | undefined, http: string | undefined): Endpoints | undefined =>
  grpc === undefined || http === undefined ? undefined : { grpc, http };
