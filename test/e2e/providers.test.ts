/** Which provider a microVM gets on this very host, whatever is installed here. */
import { createClient } from "@flintlock/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestDaemon } from "../support/daemon.ts";

let daemon: TestDaemon;
let client: ReturnType<typeof createClient>;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  client = createClient({ address: `unix://${daemon.socket}` });
});
afterAll(async () => {
  client.close();
  await daemon[Symbol.asyncDispose]();
});

test("the host tells of every provider whether it works here, and of each that does not why", async () => {
  const { providers, availability, defaultProvider } = await client.host.info({});
  expect(providers).toEqual(["firecracker", "cloudhypervisor", "qemu"]);
  expect(availability.map(({ provider }) => provider)).toEqual(providers);
  expect(defaultProvider).toBe("auto");
  for (const { provider, isUsable, reason, hint } of availability) {
    expect(reason, provider).not.toBe("");
    if (!isUsable) expect(hint, provider).not.toBe("");
  }
  expect(availability.at(-1)).toMatchObject({ isUsable: true, reason: expect.stringContaining("QEMU") });
});

test("what names no interface runs on QEMU, which has a network, and says why nothing else", async () => {
  const { availability } = await client.host.info({});
  const vm = await client.microvms.create({ process: { command: ["true"] }, microvm: { id: "any" } });
  expect(vm.microvm?.spec?.provider).toBe("qemu");
  for (const { provider, isUsable, reason } of availability.slice(0, -1)) {
    const why = isUsable ? "no interface is asked for" : reason.slice(0, 20);
    expect(vm.providerReason).toContain(`${provider} was passed over: ${why}`);
  }
});

test("one that is asked for by name and does not work here is refused, with what to do", async () => {
  const { availability } = await client.host.info({});
  for (const { provider, isUsable, reason, hint } of availability) {
    const id = `named-${provider}`;
    const created = client.microvms.create({ process: { command: ["true"] }, microvm: { id, provider } });
    if (isUsable) {
      expect((await created).microvm?.spec?.provider).toBe(provider);
    } else {
      const prefix = `provider: microvm provider ${provider} isn't available: `;
      await expect(created).rejects.toThrow(`${prefix}${reason.slice(0, 20)}`);
      expect((await daemon.flintlock(["create", "--provider", provider])).stderr).toContain(hint);
    }
  }
});

test("doctor tells of each provider, boots one microVM with every one that works, and leaves none", async () => {
  const { availability } = await client.host.info({});
  const { code, stdout } = await daemon.flintlock(["doctor", "-o", "json"]);
  const checks = new Map(
    (JSON.parse(stdout) as { name: string; result: string; detail: string }[]).map((each) => [
      each.name,
      each,
    ]),
  );
  expect(checks.get("boot")).toMatchObject({
    result: "ok",
    detail: expect.stringMatching(/^a probe microVM booted on qemu in \d+ ms: Linux 6/),
  });
  for (const { provider, isUsable } of availability) {
    expect(checks.has(provider)).toBe(true);
    if (!isUsable) expect(checks.get(provider)?.detail).toMatch(/^not available: /);
    else if (provider !== "qemu") expect(checks.get(`boot ${provider}`)).toMatchObject({ result: "ok" });
  }
  expect(code).toBe(0);
  expect((await daemon.flintlock(["ls", "-n", "flintlock-probe", "-q"])).stdout).toBe("");
});
