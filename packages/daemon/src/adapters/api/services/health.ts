/** gRPC health: every service serves while the daemon is ready, until it stops. */
import { setTimeout as sleep } from "node:timers/promises";
import { fromJson, type JsonObject, type Message, toJson } from "@bufbuild/protobuf";
import { notFound } from "@flintlock/core";
import { stopping } from "../errors.ts";
import { alwaysReady, type Readiness } from "../readiness.ts";
import { healthCheckRequest, healthCheckResponse, healthService } from "../schema/health.ts";
import type { BoundService, Call } from "../service.ts";

export interface Health {
  readonly service: BoundService;
  /** Tells checkers and watchers that no service serves any more. */
  stop(): void;
}

/** How often a watcher's answer is looked at again */
const WATCH_MS = 1_000;

/** `serviceNames` are those a client may ask about; the empty name stands for the whole server. */
export const createHealth = (serviceNames: readonly string[], readiness: Readiness = alwaysReady): Health => {
  const known = new Set(["", ...serviceNames]);
  let isServing = true;
  let tell = (): void => undefined;
  const stopped = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const statusOf = async (name: string): Promise<string> => {
    if (!known.has(name)) return "SERVICE_UNKNOWN";
    return isServing && (await readiness()).isReady ? "SERVING" : "NOT_SERVING";
  };
  const check = async (request: Message): Promise<Message> => {
    const name = nameIn(request);
    if (!known.has(name)) throw notFound(`service ${name}`);
    return response(await statusOf(name));
  };
  async function* watch(request: Message, { signal }: Call): AsyncGenerator<Message, void> {
    const name = nameIn(request);
    let told: string | undefined;
    for (;;) {
      const now = await statusOf(name);
      if (now !== told) yield response(now);
      told = now;
      if (!isServing) break;
      await Promise.race([stopped, sleep(WATCH_MS, undefined, { signal, ref: false })]);
    }
    // The protocol would keep the stream open; then a stop would wait for its watchers
    throw stopping();
  }
  const [checkMethod, watchMethod] = healthService.methods;
  if (checkMethod === undefined || watchMethod === undefined) throw new Error("health lacks its methods");
  return {
    service: {
      desc: healthService,
      methods: [
        { kind: "unary", desc: checkMethod, handler: check },
        { kind: "server_streaming", desc: watchMethod, handler: watch },
      ],
    },
    stop: () => {
      isServing = false;
      tell();
    },
  };
};

const nameIn = (request: Message): string => {
  const { service } = toJson(healthCheckRequest, request) as JsonObject;
  return typeof service === "string" ? service : "";
};

const response = (status: string): Message => fromJson(healthCheckResponse, { status });
