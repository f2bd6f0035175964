/** Changing a microVM that exists, as a person does it. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Result, TestDaemon } from "../support/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
});

const flintlock = async (...args: readonly string[]): Promise<Result> => await daemon.flintlock(args);
const ok = async (...args: readonly string[]): Promise<string> => {
  const result = await flintlock(...args);
  expect(result.code, result.stderr).toBe(0);
  return result.stdout;
};
const memoryKib = async (): Promise<number> =>
  Number(/MemTotal:\s+(\d+)/.exec(await ok("exec", "web", "--", "cat", "/proc/meminfo"))?.[1]);

test("what is live changes at once, memory and processors at the next start, and a protected one stays", async () => {
  await ok("create", "-n", "web", "-m", "128M", "-c", "1", "--protect", "--", "sleep", "100000");
  const before = await memoryKib();
  expect(await ok("modify", "web", "-m", "256M", "--dry-run")).toBe("web: memory_in_mb: at the next start\n");
  expect(await ok("modify", "web", "-m", "256M", "-c", "2", "-l", "tier=front", "--restart", "always")).toBe(
    "web: labels: at once\nweb: restart: at once\nweb: vcpu: at the next start\nweb: memory_in_mb: at the next start\n",
  );
  expect(await ok("ls", "-q", "-l", "tier=front")).toBe("web\n");
  expect(await memoryKib()).toBe(before);
  await ok("restart", "web");
  expect(await memoryKib()).toBeGreaterThan(before + 100 * 1024);
  expect((await ok("exec", "web", "--", "nproc")).trim()).toBe("2");

  const refused = await flintlock("rm", "--force", "web");
  expect([refused.code, refused.stderr]).toEqual([5, expect.stringContaining("modify --no-protect web")]);
  const stale = await flintlock("modify", "web", "--if-version", "1", "-l", "tier=back");
  expect([stale.code, stale.stderr]).toEqual([4, expect.stringContaining("not 1")]);
  const [shown] = JSON.parse(await ok("modify", "web", "--no-protect", "-o", "json")) as [
    { protected: boolean },
  ];
  expect(shown.protected).toBe(false);
  await ok("rm", "web");
});
