/** docs/security.md, followed by a real daemon: its commands are run as they stand there. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ext, wire } from "@flintlock/api";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { encodeMessage } from "../../packages/daemon/src/adapters/api/testing/grpc-client.ts";
import { type GrpcAnswer, http, openGrpc } from "../integration/auth/raw-clients.ts";
import { ROOT, runProgram, TestDaemon } from "../support/daemon.ts";

const run = promisify(execFile);
let directory: string;
let daemon: TestDaemon;
let grpcPort: number;
let httpPort: number;
const at = (file: string): string => join(directory, file);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "flintlock-security-"));
  const text = await readFile(join(ROOT, "docs/security.md"), "utf8");
  const recipes = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, commands]) => commands ?? "");
  expect(recipes).toHaveLength(2);
  await run("sh", ["-c", recipes.join("\n")], { cwd: directory });
  [grpcPort, httpPort] = await freePorts();
  daemon = await TestDaemon.start([
    ...[
      "--default-provider",
      "simulated",
      "--auth-file",
      at("credentials.yaml"),
      "--audit-log",
      at("audit.log"),
    ],
    ...["--tls-cert", at("server.pem"), "--tls-key", at("server.key"), "--tls-client-ca", at("ca.pem")],
    ...["--grpc-endpoint", `localhost:${grpcPort}`, "--http-endpoint", `localhost:${httpPort}`],
  ]);
  // The Unix socket answers first
  await vi.waitFor(() => expect(daemon.log).toContain("flintlockd serves"), 10_000);
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

/** Two that are free now; whoever takes one in between makes the daemon say so. */
const freePorts = async (): Promise<[number, number]> => {
  const servers = [createServer(), createServer()] as const;
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, "127.0.0.1", () => {
            const address = server.address();
            resolve(typeof address === "object" && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return [ports[0] ?? 0, ports[1] ?? 0];
};

const fleet = () => ({ certPath: at("client.pem"), keyPath: at("client.key") });
const bearer = async (file: string): Promise<string> => `Bearer ${await readFile(at(file), "utf8")}`;

const overGrpc = async (
  path: string,
  message: Uint8Array,
  { authorization, hasPair = false }: { readonly authorization?: string; readonly hasPair?: boolean },
): Promise<GrpcAnswer> => {
  const to = { port: grpcPort, caPath: at("ca.pem"), pair: hasPair ? fleet() : undefined };
  const connection = await openGrpc(to);
  try {
    return await connection.call(path, message, authorization === undefined ? [] : [authorization]);
  } finally {
    connection.close();
  }
};

const overHttp = async (line: string, authorization: string | undefined, json?: unknown) => {
  const lines = authorization === undefined ? [] : [`Authorization: ${authorization}`];
  const body = json === undefined ? {} : { body: JSON.stringify(json) };
  return http({ port: httpPort, caPath: at("ca.pem") }, { line, lines, ...body });
};

const CREATE = "/microvm.services.api.v1alpha1.MicroVM/CreateMicroVM";
const createRequest = (namespace: string, vcpu = 1): Uint8Array =>
  encodeMessage(wire.CreateMicroVMRequestSchema, {
    microvm: {
      id: "web",
      namespace,
      vcpu,
      memoryInMb: 1024,
      kernel: { image: "example.test/kernel:1", filename: "vmlinux" },
      rootVolume: { id: "root", source: { containerSource: "example.test/root:1" } },
      interfaces: [{ deviceId: "eth1", type: 1 }],
      metadata: { "user-data": "c2VjcmV0" },
    },
  });

const audit = async (): Promise<readonly Record<string, unknown>[]> =>
  (await readFile(at("audit.log"), "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test("who has a token or a certificate of the recipe gets in, and nobody else", async () => {
  expect((await overHttp("GET /v1alpha1/microvm/ci", undefined)).status).toBe(401);
  expect((await overHttp("GET /v1alpha1/microvm/ci", "Bearer wrong")).status).toBe(401);
  expect((await overHttp("GET /v1alpha1/microvm/ci", await bearer("ci.token"))).status).toBe(200);
  expect((await overHttp("GET /v1alpha1/microvm/ci", await bearer("viewer.token"))).status).toBe(200);
  const reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
  const ask = Uint8Array.of(0x3a, 1, 0x2a);
  expect((await overGrpc(reflection, ask, {})).code).toBe(16);
  expect((await overGrpc(reflection, ask, { hasPair: true })).code).toBe(0);
  expect((await overGrpc("/grpc.health.v1.Health/Check", new Uint8Array(), {})).code).toBe(0);
});

test("roles, namespaces and quotas hold, and the record and the audit log say who it was", async () => {
  const authorization = await bearer("ci.token");
  const make = async (namespace: string, vcpu?: number): Promise<number | string> =>
    (await overGrpc(CREATE, createRequest(namespace, vcpu), { authorization })).code;
  expect([await make("ci"), await make("production"), await make("ci", 40)]).toEqual([0, 7, 8]);
  const viewer = await bearer("viewer.token");
  expect((await overGrpc(CREATE, createRequest("ci"), { authorization: viewer })).code).toBe(7);
  const { body } = await overHttp("GET /v1/microvms/web", viewer);
  expect(JSON.parse(body)).toMatchObject({
    creator: "ci",
    microvm: { spec: { namespace: "ci", metadata: { "user-data": "" } } },
  });
  const entries = await audit();
  expect(entries).toContainEqual(
    expect.objectContaining({
      event: "operation",
      caller: "ci",
      role: "operator",
      listener: "grpc",
      operation: "microvms.create",
      namespace: "ci",
      id: "web",
      uid: expect.stringMatching(/^[0-9A-Z]{26}$/),
      code: "ok",
    }),
  );
  expect(entries).toContainEqual(
    expect.objectContaining({ event: "refused", caller: "dashboard", code: "permission_denied" }),
  );
  expect(entries).toContainEqual(expect.objectContaining({ caller: "ci", code: "exhausted" }));
  expect((await stat(at("audit.log"))).mode & 0o777).toBe(0o600);
  expect(JSON.stringify(entries) + daemon.log).not.toMatch(/c2VjcmV0/);
  expect(ext.MicroVMSchema.field.creator.number).toBe(9);
});

test("what the log says, and a reload on SIGHUP of credentials, certificates and the audit log", async () => {
  expect(daemon.log).toContain("TLS is enabled");
  expect(daemon.log).toContain("basic authentication is enabled");
  const old = await bearer("ci.token");
  const text = await readFile(at("credentials.yaml"), "utf8");
  await writeFile(
    at("credentials.yaml"),
    text.replace(/sha256:[0-9a-f]{64}/, "a-new-token-of-enough-length"),
  );
  await run("mv", [at("audit.log"), at("audit.log.1")]);
  process.kill(daemon.pid, "SIGHUP");
  await expect.poll(async () => (await overHttp("GET /v1/host", old)).status, { timeout: 5_000 }).toBe(401);
  const renewed = await overHttp("GET /v1/host", "Bearer a-new-token-of-enough-length");
  expect(renewed.status).toBe(200);
  expect((await audit()).length).toBeGreaterThan(0);
  expect(daemon.log).not.toContain("a-new-token");
});

const refused = async (args: readonly string[]): Promise<string> => {
  const own = [
    "--socket",
    at("refused.sock"),
    "--state-dir",
    at("refused"),
    "--default-provider",
    "simulated",
  ];
  const daemonPath = join(ROOT, "packages/daemon/bin/flintlockd.js");
  const { code, stderr } = await runProgram(process.execPath, [daemonPath, "run", ...own, ...args]);
  expect(code).toBe(2);
  return stderr;
};

test("a credentials file that others may read, or a key that is another's, is refused with what to do", async () => {
  await writeFile(at("open.yaml"), "tokens: []", { mode: 0o644 });
  await run("chmod", ["644", at("open.yaml")]);
  expect(await refused(["--auth-file", at("open.yaml")])).toContain(`chmod 600 ${at("open.yaml")}`);
  const tls = ["--tls-cert", at("server.pem"), "--tls-key", at("client.key")];
  expect(await refused([...tls, "--grpc-endpoint", "localhost:0"])).toContain("is not the key of");
});
