import { afterEach, beforeEach, expect, test } from "vitest";
import { type FakeDaemon, startFakeDaemon } from "../../../client/src/testing/fake-daemon.ts";
import { EXIT } from "../exit-codes.ts";
import { startTestCli } from "../testing/run-test-cli.ts";

let daemon: FakeDaemon;

beforeEach(async () => {
  daemon = await startFakeDaemon();
});
afterEach(() => daemon[Symbol.asyncDispose]());

test("without a target nothing is asked of the daemon, and the exit code is 125", async () => {
  const cli = startTestCli(["shell"], { address: daemon.address });
  expect(await cli.code).toBe(125);
  expect(daemon.log).toEqual([]);
});

test("it is /bin/sh that is run, as the user that was asked for", async () => {
  await startTestCli(["create", "--name", "web"], { address: daemon.address }).code;
  daemon.log.length = 0;
  const argv = ["shell", "--timeout", "500ms", "-u", "www", "web"];
  expect(await startTestCli(argv, { address: daemon.address }).code).toBe(EXIT.timedOut);
  expect(daemon.log[0]).toMatch(/^exec \/bin\/sh -c [\s\S]*exec "\$SHELL" -l www stdin$/);
});
