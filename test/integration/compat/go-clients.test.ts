/** A client in Go, generated from our protos with Go's own tools, against our daemon. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildGoSuite, type GoSuite, missingGo } from "../../compat/go-suite.ts";
import { startSimulated, startWithEndpoints } from "../../compat/start-daemon.ts";
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

  test("of a daemon with real guests: runs commands in one", async () => {
    const started = await startWithEndpoints(["--insecure", "--enable-exec-api"]);
    try {
      await passes(["TestServerInfo", "TestGuest"], { FLINTLOCK_ADDRESS: started.endpoints.grpc });
    } finally {
      await started.daemon[Symbol.asyncDispose]();
    }
  });
});
