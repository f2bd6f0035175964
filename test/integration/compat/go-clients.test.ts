/** A client in Go, generated from our protos with Go's own tools, against our daemon. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildGoSuite, type GoSuite, missingGo } from "../../compat/go-suite.ts";
import { startSimulated, startWithEndpoints } from "../../compat/start-daemon.ts";
import { TOKEN } from "../../compat/wire/token-cases.ts";
import { type Authority, createAuthority, type Pair } from "../../support/certificates.ts";
import type { TestDaemon } from "../../support/daemon.ts";

/** Go may have to download its modules and compile them first. */
const BUILD_MS = 600_000;

const reason = await missingGo();

describe.skipIf(reason !== undefined)(`a client in Go${reason === undefined ? "" : ` (${reason})`}`, () => {
  let go: GoSuite;
  beforeAll(async () => {
    go = await buildGoSuite();
  }, BUILD_MS);
  afterAll(() => go?.[Symbol.asyncDispose]());

  const passes = async (tests: readonly string[], env: Readonly<Record<string, string>>): Promise<void> => {
    const { code, stdout, stderr } = await go.run(tests, env);
    for (const one of tests) expect(stdout + stderr).toContain(`--- PASS: ${one} (`);
    expect(code).toBe(0);
  };

  describe("of a daemon without access control", () => {
    let daemon: TestDaemon;
    let address: string;
    beforeAll(async () => {
      const started = await startSimulated();
      daemon = started.daemon;
      address = started.endpoints.grpc;
    });
    afterAll(() => daemon?.[Symbol.asyncDispose]());

    test.each([
      ["creates, gets, lists, streams and deletes", "TestLifecycle"],
      ["finds the services by reflection", "TestReflection"],
      ["finds them by the older reflection too", "TestReflectionAlpha"],
      ["is told that the daemon serves", "TestHealth"],
      ["is told a version that battery accepts", "TestServerInfo"],
      ["is told that exec and the SSH proxy are off", "TestGuestServicesAreOff"],
    ])("%s", async (_name, one) => passes([one], { FLINTLOCK_ADDRESS: address }));
  });

  describe("of a daemon with", () => {
    let directory: string;
    let ca: Authority;
    let server: Pair;
    let client: Pair;
    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), "flintlock-go-access-"));
      ca = await createAuthority(directory);
      server = await ca.issue({ name: "server", san: "DNS:localhost,IP:127.0.0.1", usage: "serverAuth" });
      client = await ca.issue({ name: "client", usage: "clientAuth" });
    });
    afterAll(() => rm(directory, { recursive: true, force: true }));

    const against = async (
      access: readonly string[],
      use: (env: Readonly<Record<string, string>>) => Promise<void>,
    ): Promise<void> => {
      const { daemon, endpoints } = await startSimulated(access);
      try {
        await use({ FLINTLOCK_ADDRESS: endpoints.grpc });
      } finally {
        await daemon[Symbol.asyncDispose]();
      }
    };

    test("TLS: trusts its certificate, and cannot speak plain text", async () => {
      await against(["--tls-cert", server.certPath, "--tls-key", server.keyPath], async (env) => {
        await passes(["TestLifecycle"], { ...env, FLINTLOCK_CA: ca.caPath });
        await passes(["TestRefused"], { ...env, FLINTLOCK_REFUSED: "Unavailable" });
      });
    });

    test("TLS of both sides: shows its certificate, and is refused without", async () => {
      const serverTls = ["--tls-cert", server.certPath, "--tls-key", server.keyPath];
      const clientTls = ["--tls-client-validate", "--tls-client-ca", ca.caPath];
      await against([...serverTls, ...clientTls], async (env) => {
        const trusting = { ...env, FLINTLOCK_CA: ca.caPath };
        const shown = { FLINTLOCK_CERT: client.certPath, FLINTLOCK_KEY: client.keyPath };
        await passes(["TestLifecycle"], { ...trusting, ...shown });
        await passes(["TestRefused"], { ...trusting, FLINTLOCK_REFUSED: "Unavailable" });
      });
    });

    test("a token: sends it as upstream's clients or as brigade, and is refused without", async () => {
      await against(["--insecure", "--basic-auth-token", TOKEN], async (env) => {
        await passes(["TestLifecycle"], { ...env, FLINTLOCK_TOKEN: TOKEN });
        await passes(["TestLifecycle"], { ...env, FLINTLOCK_BEARER: TOKEN });
        await passes(["TestRefused"], { ...env, FLINTLOCK_REFUSED: "Unauthenticated" });
        await passes(["TestRefused"], {
          ...env,
          FLINTLOCK_REFUSED: "Unauthenticated",
          FLINTLOCK_TOKEN: "guess",
        });
      });
    });
  });

  test("of a daemon with real guests: runs commands in one", async () => {
    const started = await startWithEndpoints(["--insecure", "--enable-exec-api"]);
    try {
      await passes(["TestServerInfo", "TestGuest"], { FLINTLOCK_ADDRESS: started.endpoints.grpc });
    } finally {
      await started.daemon[Symbol.asyncDispose]();
    }
  });
});
