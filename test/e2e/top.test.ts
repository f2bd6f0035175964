/** `flintlock top`, and the addresses a real guest tells. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestDaemon } from "../support/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  await created("busy", "sh", "-c", "while :; do :; done");
  await created("idle", "sleep", "100000");
});
afterAll(() => daemon[Symbol.asyncDispose]());

const created = async (name: string, ...command: readonly string[]): Promise<void> => {
  const image = "flintlock.local/busybox:latest";
  const made = await daemon.flintlock([
    "create",
    "--name",
    name,
    "--memory",
    "128M",
    "-p",
    ":80",
    image,
    ...command,
  ]);
  expect(made.code, made.stderr).toBe(0);
};
const json = async (...args: readonly string[]) =>
  JSON.parse((await daemon.flintlock([...args, "-o", "json"])).stdout);

test("a guest that works is told from one that sleeps, by the guest and by the host", async () => {
  const [busy, idle] = await json("top", "busy", "idle");
  expect(busy.guestCpuPercent).toBeGreaterThan(60);
  expect(idle.guestCpuPercent).toBeLessThan(40);
  expect(busy.vmmCpuPercent).toBeGreaterThan(5);
  for (const { guest, vmm } of [busy, idle]) {
    const total = Number(guest.memory.totalBytes);
    expect(total > 64 * 2 ** 20 && total <= 128 * 2 ** 20).toBe(true);
    expect(Number(guest.memory.availableBytes)).toBeLessThan(total);
    expect(Number(guest.disk.totalBytes)).toBeGreaterThan(2 ** 20);
    expect(guest).toMatchObject({
      cpu: { count: 1 },
      load: [expect.anything(), expect.anything(), expect.anything()],
    });
    expect(guest.processes).toBeGreaterThan(2);
    expect(Number(vmm.residentBytes)).toBeGreaterThan(2 ** 20);
  }
  const table = await daemon.flintlock(["top"]);
  expect(table).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^NAME .*\n(busy|idle) .*\n(busy|idle) .*\n$/),
  });
});

test("addresses are what the guest says, and counters move with what it receives", async () => {
  const [seen] = await json("inspect", "idle");
  expect(seen.guestReported.addresses).toContain("10.0.2.15");
  const [eth0] = seen.guestReported.interfaces;
  expect(eth0).toMatchObject({ isUp: true, mac: expect.stringMatching(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/) });
  const script = "for i in 1 2 3; do ping -c1 -W1 10.0.2.2 >/dev/null; done; true";
  await daemon.flintlock(["exec", "--no-stdin", "idle", "--", "sh", "-c", script]);
  const [after] = await json("inspect", "idle");
  expect(Number(after.guestReported.interfaces[0].sent.packets)).toBeGreaterThan(
    Number(eth0.sent.packets ?? 0),
  );
  expect((await daemon.flintlock(["ls", "-o", "wide"])).stdout).toMatch(/idle .*10\.0\.2\.15/);
});

test("one that is stopped has no numbers, and that is no error", async () => {
  expect((await daemon.flintlock(["stop", "--grace", "1s", "idle"])).code).toBe(0);
  const [idle] = await json("top", "idle");
  expect([idle.state, idle.guest, idle.vmm, idle.guestError]).toEqual([
    "STOPPED",
    undefined,
    undefined,
    undefined,
  ]);
});
