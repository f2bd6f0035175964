/** A real server on a temporary Unix socket and two TCP ports, over fake use cases, and clients for it. */
import { mkdtemp, rm } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Log, type LogFields, silentLog } from "@flintlock/core";
import { Client, credentials } from "@grpc/grpc-js";
import type { ApiLimits } from "../../../packages/daemon/src/adapters/api/limits.ts";
import {
  type ApiOptions,
  type ApiServer,
  serveApi,
} from "../../../packages/daemon/src/adapters/api/server.ts";
import {
  type FakeUseCases,
  fakeUseCases,
} from "../../../packages/daemon/src/adapters/api/testing/fake-use-cases.ts";
import { sampleMicroVMs } from "../../../packages/daemon/src/adapters/api/testing/sample-microvm.ts";
import { plainListeners } from "./listeners.ts";

export interface Fixture extends AsyncDisposable {
  readonly api: ApiServer;
  readonly core: FakeUseCases;
  readonly socketPath: string;
  readonly grpc: Client;
  readonly httpUrl: string;
  readonly errors: LogFields[];
}

export const startFixture = async (
  vms = 2,
  limits: Partial<ApiLimits> = {},
  services: Pick<ApiOptions, "hasExecApi" | "hasSshProxyApi"> = {},
): Promise<Fixture> => {
  const directory = await mkdtemp(join(tmpdir(), "flintlock-api-"));
  const socketPath = join(directory, "run", "api.sock");
  const core = fakeUseCases(sampleMicroVMs(vms));
  const errors: LogFields[] = [];
  const log: Log = { ...silentLog, error: (message, fields) => void errors.push({ message, ...fields }) };
  const listeners = plainListeners({ unix: socketPath, grpc: "localhost:0", http: "localhost:0" });
  const api = await serveApi({ useCases: () => core, listeners, limits, log, ...services });
  const grpc = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
  });
  return {
    api,
    core,
    socketPath,
    grpc,
    httpUrl: `http://${api.addresses["http"]}`,
    errors,
    [Symbol.asyncDispose]: async () => {
      grpc.close();
      await api.close(100);
      await rm(directory, { recursive: true });
    },
  };
};

/** HTTP/1.1 over the Unix socket. */
export const unixHttp = (
  socketPath: string,
  method: string,
  path: string,
  body = "",
): Promise<{ readonly status: number; readonly text: string }> =>
  new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath, method, path, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.on("error", reject);
    request.end(body);
  });

export const until = async (condition: () => boolean, what: string): Promise<void> => {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`timed out: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};
