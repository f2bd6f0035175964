/** The SDK and the CLI at a daemon that asks for TLS, tokens and certificates. */
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, type ConnectionOptions, createClient } from "@flintlock/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Authority, createAuthority, type Pair } from "../../support/certificates.ts";
import { CLI, runProgram } from "../../support/daemon.ts";
import { type DaemonProcess, startProcess } from "../../support/daemon-process.ts";

const TOKEN = "a-token-of-enough-length";
let daemon: DaemonProcess;
let authority: Authority;
let pair: Pair;
let port: number;
const at = (file: string): string => join(daemon.directory, file);

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), "flintlock-sdk-"));
  authority = await createAuthority(directory);
  const server = await authority.issue({
    name: "server",
    san: "DNS:daemon.test,IP:127.0.0.1",
    usage: "serverAuth",
  });
  pair = await authority.issue({ name: "fleet", usage: "clientAuth" });
  await writeFile(join(directory, "ci.token"), `${TOKEN}\n`, { mode: 0o600 });
  const rules = [
    "tokens:",
    `  - { name: ci, role: operator, namespaces: [ci], token: ${TOKEN} }`,
    "certificates:",
    "  - { name: fleet, role: viewer, namespaces: all, common_name: fleet }",
  ];
  await writeFile(join(directory, "credentials.yaml"), rules.join("\n"), { mode: 0o600 });
  port = await freePort();
  daemon = await startProcess({
    directory,
    args: [
      ...["--tls-cert", server.certPath, "--tls-key", server.keyPath, "--tls-client-ca", authority.caPath],
      ...["--auth-file", join(directory, "credentials.yaml"), "--grpc-endpoint", `127.0.0.1:${port}`],
    ],
  });
  await daemon.says("flintlockd serves");
});
afterAll(() => daemon[Symbol.asyncDispose]());

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });

const withClient = async <T>(options: ConnectionOptions, use: (client: Client) => Promise<T>): Promise<T> => {
  const client = createClient({ address: `127.0.0.1:${port}`, ...options }, {});
  try {
    return await use(client);
  } finally {
    client.close();
  }
};

const tls = () => ({ ca: authority.caPath, serverName: "daemon.test" });
const list = (client: Client) => client.microvms.list({});
const create = (client: Client) => client.microvms.create({ microvm: { namespace: "ci" } });

describe("who gets in", () => {
  test("a token, as text or from a file, may do what its role may", async () => {
    expect((await withClient({ token: TOKEN, tls: tls() }, create)).creator).toBe("ci");
    expect((await withClient({ tokenFile: at("ci.token"), tls: tls() }, create)).creator).toBe("ci");
    const elsewhere = withClient({ token: TOKEN, tls: tls() }, (client) =>
      client.microvms.create({ microvm: { namespace: "production" } }),
    );
    await expect(elsewhere).rejects.toMatchObject({ code: "permission_denied", retriable: false });
  });

  test("a certificate does too, as files or as PEM", async () => {
    const files = { ...tls(), cert: pair.certPath, key: pair.keyPath };
    expect((await withClient({ tls: files }, list)).microvms.length).toBeGreaterThan(0);
    const pem = {
      ca: await readFile(authority.caPath),
      cert: await readFile(pair.certPath, "utf8"),
      key: await readFile(pair.keyPath, "utf8"),
    };
    expect((await withClient({ tls: { ...pem, serverName: "daemon.test" } }, list)).microvms).not.toEqual([]);
    await expect(withClient({ tls: files }, create)).rejects.toMatchObject({ code: "permission_denied" });
  });

  test("nobody else does, and is told why", async () => {
    await expect(withClient({ tls: tls() }, list)).rejects.toMatchObject({ code: "unauthenticated" });
    const wrong = withClient({ tls: tls(), token: "b-token-of-enough-length" }, list);
    await expect(wrong).rejects.toMatchObject({ code: "unauthenticated", retriable: false });
  });

  test("an address is verified as one, without a warning of Node's", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on("warning", onWarning);
    expect((await withClient({ token: TOKEN, tls: { ca: authority.caPath } }, create)).creator).toBe("ci");
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
  });

  test("streams carry the token as well", async () => {
    const positions = await withClient({ token: TOKEN, tls: tls() }, async (client) => {
      const seen: string[] = [];
      for await (const event of client.events.watch({ since: "beginning", untilNow: true })) {
        seen.push(String(event.position));
      }
      return seen;
    });
    expect(positions.length).toBeGreaterThan(1);
  });
});

describe("a connection that cannot be trusted is not used", () => {
  test.each([
    ["an unknown authority", () => ({ tls: { serverName: "daemon.test" } }), /self-signed certificate/],
    ["another name", () => ({ tls: { ca: authority.caPath, serverName: "other.test" } }), /altnames/],
    [
      "an address that it is not for",
      () => ({ address: `localhost:${port}`, tls: { ca: authority.caPath } }),
      /altnames/,
    ],
  ])("%s", async (_, options, words) => {
    const refused = withClient({ token: TOKEN, ...options() }, list);
    await expect(refused).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(words),
    });
  });

  test("without TLS there is no answer, and no wait", async () => {
    await expect(withClient({ tls: false }, list)).rejects.toMatchObject({ code: "unavailable" });
  });
});

test("errors carry all fields, and a limit that passes is told as one", async () => {
  const broken = withClient({ token: TOKEN, tls: tls() }, (client) =>
    client.microvms.create({ microvm: { namespace: "ci", vcpu: 1000, id: "No Name" } }),
  );
  await expect(broken).rejects.toMatchObject({
    code: "invalid_spec",
    reason: "invalid_spec",
    retriable: false,
    violations: expect.arrayContaining([
      { field: expect.stringMatching(/vcpu$/), description: expect.any(String) },
      { field: expect.stringMatching(/id$/), description: expect.any(String) },
    ]),
  });
  const late = withClient({ token: TOKEN, tls: tls(), timeouts: { callMs: 0.001 } }, list);
  await expect(late).rejects.toMatchObject({ code: "deadline_exceeded" });
});

describe("the CLI takes the same, from flags and the environment", () => {
  const flintlock = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
    runProgram(process.execPath, [CLI, ...args], { env: { FLINTLOCK_HOST: `127.0.0.1:${port}`, ...env } });

  test("flags", async () => {
    const flags = ["--tls-ca", authority.caPath, "--tls-server-name", "daemon.test"];
    const made = await flintlock([...flags, "--token-file", at("ci.token"), "ls", "-q"]);
    expect(made).toMatchObject({ code: 0, stderr: "" });
    expect((await flintlock([...flags, "ls"])).stderr).toContain("error[unauthenticated]");
  });

  test("the environment", async () => {
    const env = { FLINTLOCK_TLS_CA: authority.caPath, FLINTLOCK_TLS_SERVER_NAME: "daemon.test" };
    expect((await flintlock(["ls"], { ...env, FLINTLOCK_TOKEN: TOKEN })).code).toBe(0);
    expect((await flintlock(["ls"], { ...env, FLINTLOCK_TOKEN_FILE: at("ci.token") })).code).toBe(0);
    const certificate = { FLINTLOCK_TLS_CERT: pair.certPath, FLINTLOCK_TLS_KEY: pair.keyPath };
    expect((await flintlock(["ls"], { ...env, ...certificate })).code).toBe(0);
    const missing = await flintlock(["ls"], { ...env, FLINTLOCK_TOKEN_FILE: at("none") });
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining("FLINTLOCK_TOKEN_FILE") });
  });
});
