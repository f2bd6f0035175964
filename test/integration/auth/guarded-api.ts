/** The API as a daemon guards it: TLS, credentials file, roles, audit log; behind it use cases that count their calls. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Log, type LogFields, silentLog, type UseCases } from "@flintlock/core";
import { openAccess } from "../../../packages/daemon/src/access.ts";
import { type ApiServer, serveApi } from "../../../packages/daemon/src/adapters/api/server.ts";
import {
  type FakeUseCases,
  fakeUseCases,
} from "../../../packages/daemon/src/adapters/api/testing/fake-use-cases.ts";
import { sampleMicroVMs } from "../../../packages/daemon/src/adapters/api/testing/sample-microvm.ts";
import type { Config } from "../../../packages/daemon/src/config/config.ts";
import { DisposeStack } from "../../../packages/daemon/src/dispose-stack.ts";
import { type Authority, createAuthority, type Pair } from "../../support/certificates.ts";
import type { To } from "./raw-clients.ts";

export interface GuardedApi extends AsyncDisposable {
  readonly directory: string;
  readonly api: ApiServer;
  readonly ca: Authority;
  readonly core: FakeUseCases;
  /** Names of the use cases that were reached, in order */
  readonly reached: string[];
  /** Lines of the ordinary log, as JSON */
  readonly logged: string[];
  readonly auditPath: string;
  /** `tls`: certificates are looked at where they come; `mtls`: required */
  to(listener: "tls" | "mtls", protocol: "grpc" | "http", pair?: Pair): To;
  /** Replaces the credentials file and waits until it counts */
  replaceCredentials(text: string): Promise<void>;
}

export const startGuardedApi = async (
  credentials: string,
  changes: Partial<Config> = {},
): Promise<GuardedApi> => {
  const directory = await mkdtemp(join(tmpdir(), "flintlock-auth-"));
  const ca = await createAuthority(join(directory, "ca"));
  const server = await ca.issue({ name: "server", san: "DNS:localhost", usage: "serverAuth" });
  const authFile = join(directory, "credentials.yaml");
  await writeFile(authFile, credentials, { mode: 0o600 });
  const auditPath = join(directory, "audit.log");
  const logged: string[] = [];
  const log = recordingLog(logged);
  const stack = new DisposeStack();
  const config = {
    tls: undefined,
    authFile,
    basicAuthToken: undefined,
    auditLog: auditPath,
    grpcEndpoint: "localhost:0",
    httpEndpoint: "localhost:0",
    legacyGrpcEndpoint: undefined,
    legacyHttpEndpoint: undefined,
    ...changes,
  };
  const access = await openAccess(config, log, stack);
  const core = fakeUseCases(sampleMicroVMs(2));
  const reached: string[] = [];
  const listeners = (["tls", "mtls"] as const).flatMap((name) =>
    (["grpc", "http"] as const).map((protocol) => ({
      name: `${name}-${protocol}`,
      where: {
        kind: "tcp" as const,
        address: "localhost:0",
        tls: { ...server, clientCaPath: ca.caPath, isClientRequired: name === "mtls" },
      },
      protocol,
      authenticate: access.authenticator(`${name}-${protocol}`),
    })),
  );
  const api = await serveApi({
    useCases: access.limited(counted(core, reached)),
    listeners,
    interceptors: access.interceptors,
    log,
  });
  return {
    directory,
    api,
    ca,
    core,
    reached,
    logged,
    auditPath,
    to: (listener, protocol, pair) => ({
      port: Number(api.addresses[`${listener}-${protocol}`]?.split(":").at(-1)),
      caPath: ca.caPath,
      pair,
    }),
    replaceCredentials: async (text) => {
      await writeFile(authFile, text, { mode: 0o600 });
      await access.reload();
    },
    [Symbol.asyncDispose]: async () => {
      await api.close(100);
      await stack[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    },
  };
};

const recordingLog = (lines: string[]): Log => {
  const write =
    (level: string) =>
    (message: string, fields: LogFields = {}): void =>
      void lines.push(JSON.stringify({ level, message, ...fields }));
  const log: Log = {
    ...silentLog,
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: () => log,
  };
  return log;
};

/** Notes each use case that is called, and lets it through. */
const counted = (useCases: UseCases, reached: string[]): UseCases => {
  const spy = <T extends object>(part: T, name: string): T =>
    new Proxy(part, {
      get: (target, key, receiver) => {
        const method = Reflect.get(target, key, receiver);
        if (typeof method !== "function") return method;
        return (...args: unknown[]) => {
          reached.push(`${name}.${String(key)}`);
          return method.apply(target, args);
        };
      },
    });
  return {
    microvms: spy(useCases.microvms, "microvms"),
    events: spy(useCases.events, "events"),
    images: spy(useCases.images, "images"),
    host: spy(useCases.host, "host"),
  };
};
