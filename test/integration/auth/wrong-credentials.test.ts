/** Hundreds of tokens and certificates, each wrong in its way, over gRPC, HTTP and reflection: nothing gets in. */
import { createHash } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { wire } from "@flintlock/api";
import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { encodeMessage } from "../../../packages/daemon/src/adapters/api/testing/grpc-client.ts";
import { createAuthority, type Pair, selfSigned } from "../../support/certificates.ts";
import { type GuardedApi, startGuardedApi } from "./guarded-api.ts";
import { type GrpcConnection, http, openGrpc } from "./raw-clients.ts";
import { ALWAYS_WRONG, closeTo, type WrongToken } from "./wrong-tokens.ts";

const TOKENS = {
  ci: "Ci-8fJq2rWz0-plain-in-the-file",
  admin: "aDmin+kept/as=a.hash-7c1d~x",
  viewer: "viewer-kept-in-a-file-of-its-own",
  blue: "blue-may-use-namespace-blue-only",
} as const;
const EXPIRED = "expired-yesterday-or-long-before";
const NEW = "new-token-that-comes-with-a-reload";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const credentialsText = (tokenOfCi: string): string => `
tokens:
  - { name: ci, role: operator, namespaces: [shop], token: "${tokenOfCi}" }
  - { name: admin, role: admin, namespaces: all, token: "sha256:${sha256(TOKENS.admin)}" }
  - { name: viewer, role: viewer, namespaces: all, token: "file:viewer.token", expires: 2049-01-01 }
  - { name: blue, role: operator, namespaces: [blue], token: "${TOKENS.blue}" }
  - { name: former, role: admin, namespaces: all, token: "${EXPIRED}", expires: 2026-01-01T00:00:00Z }
certificates:
  - { name: fleet, role: operator, namespaces: [shop], common_name: fleet.example }
  - { name: spiffe, role: operator, namespaces: [shop], uri: "spiffe://example/ci" }
failures: { requests_per_second: 10000, burst: 10000 }
`;

let f: GuardedApi;
const connections = new Map<string, GrpcConnection>();
const rejections: unknown[] = [];
/** What libraries print past our log */
const printed: string[] = [];
const consoleError = console.error;
const onRejection = (error: unknown): void => void rejections.push(error);

beforeAll(async () => {
  process.on("unhandledRejection", onRejection);
  console.error = (...words: unknown[]) => void printed.push(words.join(" "));
  const empty = 'tokens: [{ name: x, role: viewer, namespaces: all, token: "0123456789abcdef" }]';
  f = await startGuardedApi(empty);
  await writeFile(join(f.directory, "viewer.token"), `${TOKENS.viewer}\n`, { mode: 0o600 });
  await f.replaceCredentials(credentialsText(TOKENS.ci));
});
afterAll(async () => {
  process.off("unhandledRejection", onRejection);
  console.error = consoleError;
  for (const connection of connections.values()) connection.close();
  await f[Symbol.asyncDispose]();
});
beforeEach(() => {
  f.reached.length = 0;
});

const LIST = "/microvm.services.api.v1alpha1.MicroVM/ListMicroVMs";
const REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const listRequest = encodeMessage(wire.ListMicroVMsRequestSchema, { namespace: "shop" });
/** `list_services: "*"` */
const reflectionRequest = Uint8Array.of(0x3a, 1, 0x2a);

const grpc = async (listener: "tls" | "mtls", pair?: Pair): Promise<GrpcConnection> => {
  const key = `${listener} ${pair?.certPath}`;
  const connection = connections.get(key) ?? (await openGrpc(f.to(listener, "grpc", pair)));
  connections.set(key, connection);
  return connection;
};

/** What each of the three ways in answers. */
const knock = async (
  authorization: readonly string[],
  { listener = "tls", pair }: { readonly listener?: "tls" | "mtls"; readonly pair?: Pair } = {},
) => {
  const connection = await grpc(listener, pair);
  const listed = await connection.call(LIST, listRequest, authorization);
  const reflected = await connection.call(REFLECTION, reflectionRequest, authorization);
  const overHttp = await http(f.to(listener, "http", pair), {
    line: "GET /v1alpha1/microvm/shop",
    lines: authorization.map((value) => `Authorization: ${value}`),
  });
  return { listed, reflected, http: overHttp };
};

const WORDS =
  /^(could not extract token from request header: rpc error: code = Unauthenticated desc = (Request unauthenticated with basic|Bad authorization string)|invalid auth token: failed basic authentication\. Check the token supplied)$/;

/** Returns what was wrong with the answers; undefined when all three refused as they should. */
const refusal = async ({ authorization, http: httpStatus = undefined }: WrongToken) => {
  const { listed, reflected, http: overHttp } = await knock(authorization);
  expect([listed.code, reflected.code]).toEqual([status.UNAUTHENTICATED, status.UNAUTHENTICATED]);
  expect([listed.message, reflected.message]).toEqual([
    expect.stringMatching(WORDS),
    expect.stringMatching(WORDS),
  ]);
  expect(overHttp.status).toBe(httpStatus ?? 401);
  if (overHttp.status === 401) {
    expect(overHttp.headers).toMatch(/\r\nWWW-Authenticate: \S/i);
    expect(JSON.parse(overHttp.body)).toMatchObject({ code: status.UNAUTHENTICATED });
  }
};

const wrongTokens: readonly WrongToken[] = [
  ...ALWAYS_WRONG,
  ...Object.entries(TOKENS).flatMap(([whose, token]) =>
    closeTo(token).map((wrong) => ({ ...wrong, name: `${wrong.name} (${whose})` })),
  ),
  { name: "a token that expired", authorization: [`Bearer ${EXPIRED}`] },
  {
    name: "a token that expired, as Basic",
    authorization: [`Basic ${Buffer.from(EXPIRED).toString("base64")}`],
  },
  { name: "the token of another daemon", authorization: ["Bearer Ci-8fJq2rWz0-plain-in-the-other"] },
  { name: "a token that is to come", authorization: [`Bearer ${NEW}`] },
];

test("the right ones get in by every way, or the rest would prove nothing", async () => {
  for (const [name, token] of Object.entries(TOKENS)) {
    const basic = `basic ${Buffer.from(token).toString("base64").replace(/=+$/, "")}`;
    for (const header of [`Bearer ${token}`, basic]) {
      const { listed, reflected, http: overHttp } = await knock([header]);
      expect([name, listed.code, reflected.code, overHttp.status]).toEqual([name, 0, 0, 200]);
      expect(JSON.parse(overHttp.body).microvm).toHaveLength(name === "blue" ? 0 : 2);
    }
  }
});

test(`${wrongTokens.length} wrong tokens`, async () => {
  expect(wrongTokens.length).toBeGreaterThan(200);
  for (const wrong of wrongTokens) {
    await refusal(wrong).catch((cause: unknown) => {
      throw new Error(`${wrong.name}: ${cause instanceof Error ? cause.message : cause}`, { cause });
    });
  }
  expect(f.reached).toEqual([]);
  expect(rejections).toEqual([]);
});

test("wrong certificates, with and without a right token beside them", async () => {
  const other = await createAuthority(join(f.directory, "other"));
  const client = (name: string, changes = {}) => f.ca.issue({ name, usage: "clientAuth", ...changes });
  const fleet = { commonName: "fleet.example" };
  const byTls = {
    "another CA": await other.issue({ name: "a", usage: "clientAuth", ...fleet }),
    "another CA of the same name": await (await createAuthority(join(f.directory, "twin"), "Test CA")).issue({
      name: "b",
      usage: "clientAuth",
      ...fleet,
    }),
    "signed by itself": await selfSigned(join(f.directory, "self"), "fleet.example"),
    expired: await client("c", { ...fleet, until: "20200102000000Z" }),
    "not valid yet": await client("d", { ...fleet, from: "20480101000000Z" }),
    "of a server": await f.ca.issue({ name: "e", usage: "serverAuth", ...fleet }),
  };
  for (const [what, pair] of Object.entries(byTls)) {
    for (const listener of ["tls", "mtls"] as const) {
      for (const authorization of [[], [`Bearer ${TOKENS.admin}`]]) {
        const { listed, reflected, http: overHttp } = await knock(authorization, { listener, pair });
        expect([what, listed.code, reflected.code, overHttp.status]).toEqual([
          what,
          "handshake",
          "handshake",
          "handshake",
        ]);
      }
    }
  }
  const { listed: bare, http: bareHttp } = await knock([`Bearer ${TOKENS.admin}`], { listener: "mtls" });
  expect([bare.code, bareHttp.status]).toEqual(["handshake", "handshake"]);

  const strangers = {
    "no name": await client("f", { commonName: "x" }),
    "the name and more": await client("g", { commonName: "fleet.example.org" }),
    "the name in capitals": await client("h", { commonName: "FLEET.EXAMPLE" }),
    "the name of a token": await client("i", { commonName: "admin" }),
    "the common name as DNS": await client("j", { san: "DNS:fleet.example" }),
    "the URI as common name": await client("k", { commonName: "spiffe:example ci" }),
    "the URI and more": await client("l", { san: "URI:spiffe://example/ci/root" }),
    "the URI's beginning": await client("m", { san: "URI:spiffe://example" }),
    "the URI as DNS": await client("n", { san: "DNS:spiffe.example.ci" }),
    "a URI in a name": await client("o", { commonName: "x, URI:spiffe:example" }),
  };
  for (const [what, pair] of Object.entries(strangers)) {
    for (const listener of ["tls", "mtls"] as const) {
      for (const authorization of [[], ["Bearer wrong"], [""]]) {
        const { listed, reflected, http: overHttp } = await knock(authorization, { listener, pair });
        expect([what, listed.code, reflected.code, overHttp.status]).toEqual([what, 16, 16, 401]);
      }
    }
  }
  const good = await client("good", fleet);
  for (const authorization of [["Bearer wrong"], [""], [`Bearer ${EXPIRED}`], ["Basic", "Basic"]]) {
    const { listed, reflected, http: overHttp } = await knock(authorization, { pair: good });
    expect([listed.code, reflected.code, overHttp.status]).toEqual([16, 16, 401]);
  }
  expect(f.reached).toEqual([]);

  // Or the names would prove nothing
  for (const pair of [good, await client("p", { san: "URI:spiffe://example/ci" })]) {
    const { listed, reflected, http: overHttp } = await knock([], { listener: "mtls", pair });
    expect([listed.code, reflected.code, overHttp.status]).toEqual([0, 0, 200]);
  }
  expect(rejections).toEqual([]);
});

const UID = "01JD0000000000000000000000";

test("the wrong role and the other namespace: known callers who may not", async () => {
  const spec = { id: "x", namespace: "shop", vcpu: 1 };
  const attempts = [
    ["viewer", "POST /v1alpha1/microvm", spec, 403],
    ["viewer", `DELETE /v1alpha1/microvm/${UID}`, undefined, 403],
    ["viewer", "DELETE /v1/microvms/web-0", undefined, 403],
    ["viewer", "POST /v1/images:prune", {}, 403],
    ["ci", "POST /v1/images:prune", {}, 403],
    ["ci", "GET /v1/host:check", undefined, 403],
    ["ci", "POST /v1alpha1/microvm", { ...spec, namespace: "blue" }, 403],
    ["ci", "POST /v1alpha1/microvm", { ...spec, namespace: "" }, 403],
    ["ci", "POST /v1alpha1/microvm", { ...spec, namespace: "SHOP" }, 403],
    ["blue", "POST /v1alpha1/microvm", spec, 403],
    ["blue", `DELETE /v1alpha1/microvm/${UID}`, undefined, 404],
    ["blue", `GET /v1/microvms/${UID}`, undefined, 404],
    ["blue", "GET /v1/microvms/web-0", undefined, 404],
    ["blue", "DELETE /v1/microvms/web-0", undefined, 404],
    ["blue", "GET /v1/microvms/web-0/logs", undefined, 404],
    ["blue", "GET /v1/microvms/shop%2Fweb-0", undefined, 404],
  ] as const;
  for (const [who, line, json, expected] of attempts) {
    const answer = await http(f.to("tls", "http"), {
      line,
      lines: [`Authorization: Bearer ${TOKENS[who]}`],
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    });
    expect([who, line, answer.status, answer.body]).toEqual([who, line, expected, expect.any(String)]);
  }
  expect(f.core.created).toEqual([]);
  expect(f.core.records.size).toBe(2);
  expect(f.reached.filter((name) => /create|delete|prune|remove|check|logs/.test(name))).toEqual([]);
});

test("a viewer sees no value of the metadata, over either transport", async () => {
  const show = async (token: string): Promise<string> => {
    const lines = [`Authorization: Bearer ${token}`];
    const list = await http(f.to("tls", "http"), { line: "GET /v1alpha1/microvm/shop", lines });
    const one = await http(f.to("tls", "http"), { line: `GET /v1/microvms/${UID}`, lines });
    return list.body + one.body;
  };
  expect(await show(TOKENS.viewer)).toContain(`"user-data":""`);
  expect(await show(TOKENS.viewer)).not.toContain("I2Nsb3VkLWNvbmZpZwo=");
  expect(await show(TOKENS.ci)).toContain("I2Nsb3VkLWNvbmZpZwo=");
});

test("a token that a reload takes out ends with the next call, also on an open connection", async () => {
  const connection = await grpc("tls");
  const ask = async (token: string): Promise<unknown> =>
    (await connection.call(LIST, listRequest, [`Bearer ${token}`])).code;
  expect([await ask(TOKENS.ci), await ask(NEW)]).toEqual([0, 16]);
  await f.replaceCredentials(credentialsText(NEW));
  expect([await ask(TOKENS.ci), await ask(NEW)]).toEqual([16, 0]);

  await f.replaceCredentials("tokens: [{ name: ci, role: king }]");
  expect([await ask(TOKENS.ci), await ask(NEW)]).toEqual([16, 0]);
  expect(f.logged.at(-1)).toContain("tokens[0].role: must be one of viewer, operator, admin");
  await f.replaceCredentials(credentialsText(TOKENS.ci));
  expect(await ask(TOKENS.ci)).toBe(0);
});

test("health needs no credentials, over gRPC", async () => {
  const connection = await grpc("tls");
  for (const authorization of [[], ["Bearer wrong"]]) {
    const { code } = await connection.call("/grpc.health.v1.Health/Check", new Uint8Array(), authorization);
    expect(code).toBe(status.OK);
  }
});

test("the audit log has who was refused and why, and neither log has a secret", async () => {
  const text = await readFile(f.auditPath, "utf8");
  const entries = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect((await stat(f.auditPath)).mode & 0o777).toBe(0o600);
  expect(entries).toContainEqual(
    expect.objectContaining({
      event: "refused",
      listener: "tls-grpc",
      operation: LIST,
      code: "unauthenticated",
      reason: "the token of former expired",
    }),
  );
  expect(entries).toContainEqual(
    expect.objectContaining({
      event: "refused",
      listener: "tls-http",
      caller: "blue",
      role: "operator",
      operation: "microvms.deleteByUid",
      code: "not_found",
      reason: "blue may not see that namespace",
    }),
  );
  expect(entries.every(({ time, peer }) => Date.parse(time) > 0 && /:\d+$/.test(peer))).toBe(true);
  for (const secret of [...Object.values(TOKENS), EXPIRED, NEW, "I2Nsb3VkLWNvbmZpZwo="]) {
    for (const form of [secret, Buffer.from(secret).toString("base64"), sha256(secret)]) {
      expect(text).not.toContain(form);
      expect([...f.logged, ...printed].join("\n")).not.toContain(form);
    }
  }
});
