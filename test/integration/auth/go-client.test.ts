/** A client in Go over TLS, with a client certificate, and with a token in both forms; and without what is asked for. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildGoSuite, type GoSuite, missingGo } from "../../compat/go-suite.ts";
import { startSimulated } from "../../compat/start-daemon.ts";
import { type Authority, createAuthority, type Pair } from "../../support/certificates.ts";

/** Go may have to download its modules and compile them first. */
const BUILD_MS = 600_000;
const TOKEN = "a-token-of-enough-characters";

const reason = await missingGo();

describe.skipIf(reason !== undefined)(`a client in Go${reason === undefined ? "" : ` (${reason})`}`, () => {
  let go: GoSuite;
  let directory: string;
  let ca: Authority;
  let tls: readonly string[];
  let client: Pair;
  beforeAll(async () => {
    go = await buildGoSuite();
    directory = await mkdtemp(join(tmpdir(), "flintlock-auth-go-"));
    ca = await createAuthority(join(directory, "ca"));
    const server = await ca.issue({ name: "server", san: "IP:127.0.0.1", usage: "serverAuth" });
    client = await ca.issue({ name: "client", usage: "clientAuth" });
    tls = ["--tls-cert", server.certPath, "--tls-key", server.keyPath];
  }, BUILD_MS);
  afterAll(async () => {
    await go?.[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });

  const results = async (
    access: readonly string[],
    callers: readonly Readonly<Record<string, string>>[],
  ): Promise<readonly boolean[]> => {
    const { daemon, endpoints } = await startSimulated(access);
    try {
      const passed: boolean[] = [];
      for (const env of callers) {
        const tests = ["TestLifecycle", "TestReflection"];
        const { stdout } = await go.run(tests, { FLINTLOCK_ADDRESS: endpoints.grpc, ...env });
        passed.push(tests.every((one) => stdout.includes(`--- PASS: ${one} (`)));
      }
      return passed;
    } finally {
      await daemon[Symbol.asyncDispose]();
    }
  };
  const trust = () => ({ FLINTLOCK_CA: ca.caPath });
  const pair = () => ({ ...trust(), FLINTLOCK_CERT: client.certPath, FLINTLOCK_KEY: client.keyPath });

  test("over TLS", async () => {
    expect(await results(tls, [trust(), {}])).toEqual([true, false]);
  });

  test("with a certificate, where one is required", async () => {
    const access = [...tls, "--tls-client-ca", ca.caPath, "--tls-client-validate"];
    expect(await results(access, [pair(), trust()])).toEqual([true, false]);
  });

  test("with a token, as Basic and as Bearer, over TLS and without", async () => {
    const file = join(directory, "token");
    await writeFile(file, TOKEN, { mode: 0o600 });
    const token = ["--basic-auth-token-file", file];
    const callers = (env: Readonly<Record<string, string>>) => [
      { ...env, FLINTLOCK_TOKEN: TOKEN },
      { ...env, FLINTLOCK_BEARER: TOKEN },
      { ...env, FLINTLOCK_TOKEN: "wrong" },
      env,
    ];
    expect(await results([...tls, ...token], callers(trust()))).toEqual([true, true, false, false]);
    expect(await results(["--insecure", ...token], callers({}))).toEqual([true, true, false, false]);
  });

  test("with a credentials file: a certificate it names, and a token", async () => {
    const file = join(directory, "credentials.yaml");
    await writeFile(
      file,
      `tokens: [{ name: ci, role: operator, namespaces: all, token: ${TOKEN} }]
certificates: [{ name: go, role: operator, namespaces: all, common_name: client }]`,
      { mode: 0o600 },
    );
    const access = [...tls, "--tls-client-ca", ca.caPath, "--auth-file", file];
    const callers = [pair(), { ...trust(), FLINTLOCK_BEARER: TOKEN }, trust()];
    expect(await results(access, callers)).toEqual([true, true, false]);
  });
});
