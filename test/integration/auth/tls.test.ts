/** TLS listeners: real sockets, certificates made with openssl. */
import { copyFile, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { wire } from "@flintlock/api";
import { LOCAL_CALLER, type Log, silentLog } from "@flintlock/core";
import { Client, credentials, status } from "@grpc/grpc-js";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { Credentials } from "../../../packages/daemon/src/adapters/api/auth/authenticator.ts";
import type { ApiLimits } from "../../../packages/daemon/src/adapters/api/limits.ts";
import type { TlsFiles } from "../../../packages/daemon/src/adapters/api/listen/certificate-files.ts";
import { type ApiServer, serveApi } from "../../../packages/daemon/src/adapters/api/server.ts";
import { fakeUseCases } from "../../../packages/daemon/src/adapters/api/testing/fake-use-cases.ts";
import { unary } from "../../../packages/daemon/src/adapters/api/testing/grpc-client.ts";
import { sampleMicroVMs } from "../../../packages/daemon/src/adapters/api/testing/sample-microvm.ts";
import { type Authority, createAuthority, type Pair, selfSigned } from "../../support/certificates.ts";
import { until } from "../api/fixture.ts";

let directory: string;
let ca: Authority;
let other: Authority;
let server: Pair;
let client: Pair;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "flintlock-tls-"));
  ca = await createAuthority(join(directory, "ca"));
  other = await createAuthority(join(directory, "other"));
  server = await ca.issue({ name: "server", san: "DNS:localhost,IP:127.0.0.1", usage: "serverAuth" });
  client = await ca.issue({ name: "client", commonName: "Liquid Metal Client 1", usage: "clientAuth" });
});
afterAll(() => rm(directory, { recursive: true }));

let api: ApiServer | undefined;
let logged: string[];
let seen: Credentials[];
const log: Log = { ...silentLog };
for (const level of ["info", "warn", "error"] as const)
  log[level] = (message, fields) => void logged.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`);
beforeEach(() => {
  logged = [];
  seen = [];
});
afterEach(async () => {
  await api?.close(100);
  api = undefined;
});

const start = async (
  changes: Partial<TlsFiles> = {},
  limits: Partial<ApiLimits> = {},
): Promise<ApiServer> => {
  const tls = { ...server, clientCaPath: undefined, isClientRequired: false, ...changes };
  const core = fakeUseCases(sampleMicroVMs(1));
  const authenticate = (credentials: Credentials) => {
    seen.push(credentials);
    return LOCAL_CALLER;
  };
  api = await serveApi({
    useCases: () => core,
    listeners: (["grpc", "http", "any"] as const).map((protocol) => ({
      name: protocol,
      where: { kind: "tcp", address: "localhost:0", tls },
      protocol,
      authenticate,
    })),
    limits: { reloadPeriodMs: 20, ...limits },
    log,
  });
  return api;
};

const portOf = (name: string): number => Number(api?.addresses[name]?.split(":").at(-1));

interface With {
  readonly listener?: string;
  readonly pair?: Pair;
}

const overGrpc = async ({ listener = "grpc", pair }: With = {}): Promise<number> => {
  const [roots, key, cert] = await Promise.all([
    readFile(ca.caPath),
    pair && readFile(pair.keyPath),
    pair && readFile(pair.certPath),
  ]);
  const grpc = new Client(
    `localhost:${portOf(listener)}`,
    credentials.createSsl(roots, key ?? null, cert ?? null),
  );
  try {
    const { microvm } = await unary(grpc, wire.MicroVM.method.listMicroVMs, { namespace: "shop" });
    expect(microvm).toHaveLength(1);
    return status.OK;
  } catch (error) {
    return (error as { readonly code: number }).code;
  } finally {
    grpc.close();
  }
};

const overHttp = async ({ listener = "http", pair }: With = {}): Promise<number | string> => {
  const options = {
    port: portOf(listener),
    host: "localhost",
    path: "/v1alpha1/microvm/shop",
    ca: await readFile(ca.caPath),
    agent: false,
    ...(pair && { cert: await readFile(pair.certPath), key: await readFile(pair.keyPath) }),
  };
  return new Promise((resolve) => {
    const request = httpsRequest(options, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
    });
    request.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    request.end();
  });
};

/** The negotiated socket, or why there is none. */
const handshake = async (options: ConnectionOptions, listener = "any"): Promise<TLSSocket | string> => {
  const ours = { port: portOf(listener), host: "127.0.0.1", ca: await readFile(ca.caPath) };
  return new Promise((resolve) => {
    const socket = connect({ ...ours, ...options }, () => resolve(socket));
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
};

test("gRPC and HTTP are served over TLS, each on its own listener and both on one", async () => {
  await start();
  expect([await overGrpc(), await overHttp()]).toEqual([status.OK, 200]);
  expect([await overGrpc({ listener: "any" }), await overHttp({ listener: "any" })]).toEqual([
    status.OK,
    200,
  ]);
  expect(seen.map(({ certificate }) => certificate)).toEqual([undefined, undefined, undefined, undefined]);
});

test("TLS 1.2 is refused, and ALPN says what the listener speaks", async () => {
  await start();
  expect(await handshake({ maxVersion: "TLSv1.2" })).toBe("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
  const chosen = async (listener: string, offered: string[]): Promise<unknown> => {
    const socket = await handshake({ ALPNProtocols: offered }, listener);
    if (typeof socket === "string") return socket;
    const { alpnProtocol } = socket;
    socket.destroy();
    return [socket.getProtocol() ?? "TLSv1.3", alpnProtocol];
  };
  expect(await chosen("any", ["http/1.1", "h2"])).toEqual(["TLSv1.3", "h2"]);
  expect(await chosen("http", ["h2", "http/1.1"])).toEqual(["TLSv1.3", "http/1.1"]);
  expect(await chosen("grpc", ["http/1.1"])).toBe("ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL");
});

test("a certificate is required where it is required, and the authenticator is shown it", async () => {
  await start({ clientCaPath: ca.caPath, isClientRequired: true });
  expect([await overGrpc(), typeof (await overHttp())]).toEqual([status.UNAVAILABLE, "string"]);
  expect(seen).toEqual([]);
  for (const listener of ["grpc", "any"]) expect(await overGrpc({ listener, pair: client })).toBe(status.OK);
  for (const listener of ["http", "any"]) expect(await overHttp({ listener, pair: client })).toBe(200);
  expect(seen.map(({ certificate }) => certificate?.subject.CN)).toEqual(
    Array(4).fill("Liquid Metal Client 1"),
  );
});

test.each([true, false])(
  "wrong client certificates do not get in, and are not taken for none (required: %s)",
  async (isClientRequired) => {
    await start({ clientCaPath: ca.caPath, isClientRequired });
    const wrong = [
      await other.issue({ name: "client", usage: "clientAuth" }),
      await selfSigned(join(directory, "self"), "client"),
      await ca.issue({ name: "expired", usage: "clientAuth", until: "20200102000000Z" }),
      await ca.issue({ name: "early", usage: "clientAuth", from: "20480101000000Z" }),
      // A server's certificate does not make a client
      server,
    ];
    for (const pair of wrong) {
      expect([pair.certPath, await overGrpc({ pair })]).toEqual([pair.certPath, status.UNAVAILABLE]);
      expect([pair.certPath, typeof (await overHttp({ pair }))]).toEqual([pair.certPath, "string"]);
    }
    expect(seen).toEqual([]);
    expect(await overGrpc({ pair: client })).toBe(status.OK);
    if (!isClientRequired) expect([await overGrpc(), await overHttp()]).toEqual([status.OK, 200]);
  },
);

test("a session is not resumed: every connection is verified anew", async () => {
  await start({ clientCaPath: ca.caPath, isClientRequired: true });
  const pair = { cert: await readFile(client.certPath), key: await readFile(client.keyPath) };
  const first = await handshake({ ...pair, ALPNProtocols: ["http/1.1"] });
  if (typeof first === "string") throw new Error(first);
  const session = await new Promise<Buffer | undefined>((resolve) => {
    first.once("session", resolve);
    first.once("end", () => resolve(undefined));
    first.end("GET /v1alpha1/microvm/shop HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    first.resume();
  });
  if (session !== undefined) {
    const again = await handshake({ ...pair, session, ALPNProtocols: ["http/1.1"] });
    if (typeof again === "string") throw new Error(again);
    expect(again.isSessionReused()).toBe(false);
    again.destroy();
  }
  first.destroy();
});

test("a new certificate is used without a restart, and a broken one changes nothing", async () => {
  const [certPath, keyPath] = [join(directory, "live.pem"), join(directory, "live.key")];
  const replace = async (pair: Pair): Promise<void> => {
    await copyFile(pair.certPath, `${certPath}.new`);
    await copyFile(pair.keyPath, keyPath);
    await rename(`${certPath}.new`, certPath);
  };
  const served = async (): Promise<string> => {
    const socket = await handshake({ checkServerIdentity: () => undefined });
    if (typeof socket === "string") throw new Error(socket);
    const { CN } = socket.getPeerCertificate().subject;
    socket.destroy();
    return String(CN);
  };
  const second = await ca.issue({ name: "second", san: "DNS:localhost", usage: "serverAuth" });
  await replace(server);
  await start({ certPath, keyPath });
  expect(await served()).toBe("server");
  const open = await handshake({ ALPNProtocols: ["http/1.1"] });
  if (typeof open === "string") throw new Error(open);

  await replace(second);
  await until(() => logged.filter((line) => line.startsWith("info TLS is enabled")).length >= 6, "reload");
  expect(await served()).toBe("second");

  await writeFile(keyPath, "not a key");
  await until(() => logged.some((line) => line.startsWith("error new certificates are refused")), "refusal");
  expect(await served()).toBe("second");
  await rm(certPath);
  logged = [];
  await api?.reloadCertificates();
  // The other listener's look at the key may end in between.
  expect(logged.join("\n")).toContain(`certificate file ${certPath} does not exist`);
  expect(await served()).toBe("second");

  // Open connections are not cut
  const answer = new Promise<string>((resolve) => open.once("data", (data) => resolve(String(data))));
  open.write("GET /v1alpha1/microvm/shop HTTP/1.1\r\nHost: localhost\r\n\r\n");
  expect(await answer).toMatch(/^HTTP\/1.1 200/);
  open.destroy();
});

test("a client CA that is replaced counts from the next connection on", async () => {
  const clientCaPath = join(directory, "live-ca.pem");
  await copyFile(ca.caPath, clientCaPath);
  await start({ clientCaPath, isClientRequired: true });
  const stranger = await other.issue({ name: "stranger", usage: "clientAuth" });
  expect([await overGrpc({ pair: client }), await overGrpc({ pair: stranger })]).toEqual([0, 14]);
  await copyFile(other.caPath, clientCaPath);
  await api?.reloadCertificates();
  expect([await overGrpc({ pair: client }), await overGrpc({ pair: stranger })]).toEqual([14, 0]);
});

test("clients that never finish the handshake are dropped, and hold up nobody", async () => {
  await start({}, { handshakeTimeoutMs: 200 });
  const silent = Array.from({ length: 50 }, () => connectTcp(portOf("any"), "127.0.0.1"));
  const rubbish = connectTcp(portOf("any"), "127.0.0.1");
  rubbish.write("GET / HTTP/1.1\r\n\r\n");
  const closed = [...silent, rubbish].map(
    (socket) =>
      new Promise<void>((resolve) => {
        socket.on("error", () => undefined);
        socket.on("close", () => resolve());
        socket.resume();
      }),
  );
  expect(await overGrpc({ listener: "any" })).toBe(status.OK);
  await Promise.all(closed);
});

test("a stop does not wait for TLS connections that do nothing", async () => {
  await start();
  const idle = await handshake({ ALPNProtocols: ["http/1.1"] });
  const dumb = connectTcp(portOf("any"), "127.0.0.1");
  dumb.on("error", () => undefined);
  await overGrpc();
  const started = Date.now();
  await api?.close(300);
  expect(Date.now() - started).toBeLessThan(2_000);
  dumb.destroy();
  if (typeof idle !== "string") idle.destroy();
});

test.each([
  ["a missing certificate", { certPath: "/nowhere/c.pem" }, "certificate file /nowhere/c.pem does not exist"],
  ["a missing key", { keyPath: "/nowhere/k.pem" }, "key file /nowhere/k.pem does not exist"],
  ["a missing CA", { clientCaPath: "/nowhere/ca.pem" }, "client CA file /nowhere/ca.pem does not exist"],
  ["mTLS without a CA", { isClientRequired: true }, "client certificate key file path is required"],
  ["a directory", { certPath: "/etc" }, "certificate file /etc is not a file"],
] as const)("%s is refused at the start, in upstream's words where it has any", async (_, changes, words) => {
  await expect(start(changes)).rejects.toThrow(words);
});

test("a key of another certificate is refused, and an expired certificate is warned of", async () => {
  await expect(start({ keyPath: client.keyPath })).rejects.toThrow(
    `key file ${client.keyPath} is not the key of certificate file ${server.certPath}`,
  );
  await expect(start({ clientCaPath: client.keyPath })).rejects.toThrow("holds no certificate");
  const old = await ca.issue({ name: "old", until: "20200102000000Z" });
  await start(old);
  expect(logged.find((line) => line.startsWith("warn"))).toContain("expired on Jan  2 00:00:00 2020 GMT");
});
