/** The choice of a provider over real sockets, on the real core with three simulated ones. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ext, types, wire } from "@flintlock/api";
import { silentLog } from "@flintlock/core";
import { SimulatedProvider, settle, World } from "@flintlock/core/testing";
import { Client, credentials, status } from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ApiServer, serveApi } from "../../../packages/daemon/src/adapters/api/server.ts";
import { fakeUseCases } from "../../../packages/daemon/src/adapters/api/testing/fake-use-cases.ts";
import { unary } from "../../../packages/daemon/src/adapters/api/testing/grpc-client.ts";
import { plainListeners } from "./listeners.ts";

const V1ALPHA1_SPEC = {
  namespace: "ns",
  kernel: { image: "example.test/kernel:1", filename: "boot/vmlinux" },
  rootVolume: { id: "root", source: { containerSource: "example.test/root:1" } },
};
const TAP = { deviceId: "eth1", type: types.NetworkInterface_IfaceType.TAP };

let directory: string;
let firecracker: SimulatedProvider;
let api: ApiServer;
let grpc: Client;
let url: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "flintlock-providers-"));
  const world = new World();
  firecracker = new SimulatedProvider(
    world.clock,
    ["metadata-service", "rate-limits", "balloon"],
    "firecracker",
  );
  const qemu = new SimulatedProvider(world.clock, ["user-network", "disk-limits"], "qemu");
  world.providers.splice(0, 1, firecracker, qemu);
  world.defaultProvider = "auto";
  const { microvms } = await world.daemon();
  const socketPath = join(directory, "api.sock");
  api = await serveApi({
    useCases: () => ({ ...fakeUseCases(), microvms }),
    listeners: plainListeners({ unix: socketPath, http: "localhost:0" }),
    log: silentLog,
  });
  grpc = new Client(`unix:${socketPath}`, credentials.createInsecure());
  url = `http://${api.addresses["http"]}`;
});
afterEach(async () => {
  grpc.close();
  await api.close(100);
  await rm(directory, { recursive: true });
});

const post = async (body: unknown) => {
  const response = await fetch(`${url}/v1/microvms`, { method: "POST", body: JSON.stringify(body) });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
};

test("v1alpha1 gets the provider that fits, and ours says why, over gRPC and HTTP alike", async () => {
  const { microvm } = await unary(grpc, wire.MicroVM.method.createMicroVM, {
    microvm: { ...V1ALPHA1_SPEC, id: "tapped", interfaces: [TAP] },
  });
  expect(microvm?.spec?.provider).toBe("firecracker");
  const plain = await unary(grpc, wire.MicroVM.method.createMicroVM, {
    microvm: { ...V1ALPHA1_SPEC, id: "plain" },
  });
  expect(plain.microvm?.spec?.provider).toBe("qemu");
  await settle();
  const why =
    "auto: firecracker was passed over: no interface is asked for, and it has no network of its own";
  const uid = plain.microvm?.spec?.uid ?? "";
  expect((await unary(grpc, ext.MicroVMs.method.get, { target: uid })).providerReason).toBe(why);
  const json = await (await fetch(`${url}/v1/microvms/${uid}`)).json();
  expect(json).toMatchObject({ providerReason: why, microvm: { spec: { provider: "qemu" } } });
});

test("limits and a balloon are taken, bounded, returned, and decide who runs it", async () => {
  const interfaces = [{ deviceId: "eth1", type: "TAP" }];
  const limits = { networkBytesPerSecond: String(2 ** 40), diskOpsPerSecond: 10 };
  const made = await post({ microvm: { id: "limited", interfaces }, limits, balloonMib: 0 });
  expect(made).toMatchObject({
    status: 200,
    json: {
      microvm: { spec: { provider: "firecracker" } },
      limits: { networkBytesPerSecond: String(2 ** 40), diskBytesPerSecond: "0", diskOpsPerSecond: 10 },
      balloonMib: 0,
    },
  });
  const { json } = await post({ microvm: { id: "free", interfaces } });
  expect([json["limits"], json["balloonMib"]]).toEqual([null, undefined]);

  const tooMuch = { networkBytesPerSecond: String(2n ** 64n - 1n), diskBytesPerSecond: "1" };
  const refused = await post({ microvm: { id: "x", memoryInMb: 64 }, limits: tooMuch, balloonMib: 33 });
  expect(refused.status).toBe(400);
  for (const field of ["network_bytes_per_second", "disk_bytes_per_second", "balloon_mib"]) {
    expect(JSON.stringify(refused.json)).toContain(field);
  }
});

test("one that does not work here is refused by its reason, with what to do", async () => {
  firecracker.script.availability = { isUsable: false, reason: "no such program", hint: "install it" };
  const named = unary(grpc, ext.MicroVMs.method.create, { microvm: { id: "a", provider: "firecracker" } });
  await expect(named).rejects.toMatchObject({
    code: status.FAILED_PRECONDITION,
    details: expect.stringContaining(
      "provider: microvm provider firecracker isn't available: no such program",
    ),
  });
  const none = await post({ microvm: { id: "b" }, balloonMib: 1 });
  expect(none.status).toBe(400);
  expect(JSON.stringify(none.json)).toContain(
    "no microvm provider of this host can run it: firecracker: no such program; qemu: balloon_mib: a memory balloon not supported",
  );
  expect(JSON.stringify(none.json)).toContain("install it");
});
