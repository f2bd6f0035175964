/** The debug endpoint, and what it shows of the rest of the daemon. */
import type { Log } from "@flintlock/core";
import { parseTcpAddress } from "./adapters/api/listen/address.ts";
import { openDebugServer } from "./adapters/debug/debug-server.ts";
import { CONTENT_TYPE } from "./adapters/telemetry/exposition.ts";
import type { Lifetime } from "./lifetime.ts";

const SCRAPE_MS = 10_000;

interface Debugging {
  readonly log: Log;
  readonly life: Lifetime;
  readonly metrics: (signal: AbortSignal) => Promise<string>;
}

export const openDebug = async (endpoint: string, { log, life, metrics }: Debugging): Promise<void> => {
  const { host = "127.0.0.1", port } = parseTcpAddress(endpoint);
  const serve = async () => ({
    contentType: CONTENT_TYPE,
    body: await metrics(AbortSignal.timeout(SCRAPE_MS)),
  });
  const server = await openDebugServer({
    host,
    port,
    pages: [{ path: "/metrics", serve }],
    onFailed: (error) => life.fail("debug endpoint", error),
    log: log.child({ component: "debug" }),
  });
  life.add("debug endpoint", server, (it) => it.close());
  log.warn("debug endpoint: nobody is asked who they are", { address: server.address });
};
