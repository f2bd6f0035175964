import { extension, settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import type { InterfaceInput } from "../domain/create-input.ts";
import { FlintlockError } from "../domain/errors.ts";

const TAP: InterfaceInput = {
  deviceId: "eth1",
  type: 1,
  guestMac: undefined,
  address: undefined,
  bridgeName: undefined,
};

const failed = (code: "provider_failed" | "not_found" | "unavailable" = "provider_failed") =>
  new FlintlockError(code, "as scripted");

test("a microVM is created from nothing, and deleting it leaves nothing", async () => {
  const world = new World();
  const { microvms, repository } = await world.daemon();
  const { uid } = await microvms.create(wireInput({ interfaces: [TAP] }));
  await settle();
  expect(repository.get(uid).status).toMatchObject({ state: "created", retry: 0, failure: undefined });
  expect(repository.get(uid).status.networkInterfaces["eth1"]?.hostDeviceName).toBe("tap0");
  expect(world.provider.running).toBe(1);

  await microvms.deleteByUid(uid);
  await settle();
  expect(repository.find(uid)).toBeUndefined();
  expect(world.provider.running + world.host.directories.size + world.host.devices.size).toBe(0);
  expect(await world.store.list("")).toEqual([]);
});

test("create answers before anything is provisioned, and the record is durable by then", async () => {
  const world = new World();
  const { microvms } = await world.daemon();
  const vm = await microvms.create(wireInput());
  expect(vm.status.state).toBe("pending");
  expect(await world.store.list("vm/")).toHaveLength(1);
});

test("a failed boot is tried again after 20 s, 40 s, …, and ends FAILED with everything released", async () => {
  const world = new World();
  const { microvms, repository } = await world.daemon();
  world.provider.script.bootErrors = Array.from({ length: 11 }, () => failed());
  const { uid } = await microvms.create(wireInput({ interfaces: [TAP] }));
  await settle();
  expect(repository.get(uid).status).toMatchObject({ state: "pending", retry: 1 });
  for (let attempt = 1; attempt <= 10; attempt++) {
    world.clock.advance(20_000 * attempt - 1);
    await settle();
    expect(repository.get(uid).status.retry).toBe(attempt);
    world.clock.advance(1);
    await settle();
  }
  expect(repository.get(uid).status).toMatchObject({ state: "failed", retry: 11 });
  expect(repository.get(uid).status.failure).toMatchObject({ step: "bootMachine", code: "provider_failed" });
  expect(world.provider.running + world.host.directories.size + world.host.devices.size).toBe(0);
});

test("the back-off survives a restart of the daemon", async () => {
  const world = new World();
  world.images.errors.push(failed("unavailable"));
  const first = await world.daemon();
  const { uid } = await first.microvms.create(wireInput());
  await settle();
  await first.reconciler.close();
  world.clock.advance(10_000);
  const second = await world.daemon();
  await settle();
  expect(second.repository.get(uid).status).toMatchObject({ state: "pending", retry: 1 });
  world.clock.advance(10_000);
  await settle();
  expect(second.repository.get(uid).status).toMatchObject({ state: "created", retry: 0 });
});

test("an image that does not exist fails the microVM at once", async () => {
  const world = new World();
  world.images.missing.add("example.test/root:1");
  const { microvms, repository } = await world.daemon();
  const { uid } = await microvms.create(wireInput());
  await settle();
  expect(repository.get(uid).status).toMatchObject({ state: "failed", failure: { code: "not_found" } });
});

test("delete wins over a boot that hangs", async () => {
  const world = new World();
  world.provider.script.bootMs = 1_000_000;
  const { microvms, repository } = await world.daemon();
  const { uid } = await microvms.create(wireInput());
  await settle();
  expect(world.provider.running).toBe(1);
  await microvms.deleteByUid(uid);
  await settle();
  expect(repository.find(uid)).toBeUndefined();
  expect(world.provider.running).toBe(0);
});

test("delete does not wait for a back-off, and repeating it is success", async () => {
  const world = new World();
  world.provider.script.bootErrors = [failed()];
  const { microvms, repository } = await world.daemon();
  const { uid } = await microvms.create(wireInput());
  await settle();
  await Promise.all([microvms.deleteByUid(uid), microvms.deleteByUid(uid)]);
  await settle();
  expect(repository.find(uid)).toBeUndefined();
});

test("a delete that is repeated every second does not begin anew each time", async () => {
  const world = new World();
  const { microvms, repository } = await world.daemon();
  const { uid } = await microvms.create(wireInput());
  await settle();
  world.provider.script.stopMs = 5_000;
  for (let second = 0; second < 6; second++) {
    await microvms.deleteByUid(uid).catch(() => undefined);
    await settle();
    world.clock.advance(1_000);
  }
  await settle();
  expect(repository.find(uid)).toBeUndefined();
});

test("a slow neighbour delays nobody, and boots are two at a time", async () => {
  const world = new World();
  const { microvms, repository } = await world.daemon();
  world.provider.script.bootMs = 1000;
  const vms = [];
  for (let i = 0; i < 4; i++) vms.push(await microvms.create(wireInput({ id: `vm${i}` })));
  await settle();
  expect(world.provider.running).toBe(2);
  world.clock.advance(1000);
  await settle();
  world.clock.advance(1000);
  await settle();
  expect(vms.map(({ uid }) => repository.get(uid).status.state)).toEqual(Array(4).fill("created"));
});

test("a new daemon adopts a running microVM and starts nothing twice", async () => {
  const world = new World();
  const first = await world.daemon();
  const { uid } = await first.microvms.create(wireInput());
  await settle();
  await first.reconciler.close();
  const second = await world.daemon();
  await settle();
  expect(second.repository.get(uid).status.state).toBe("created");
  expect(world.provider.calls).toEqual([`start ${uid}`]);
});

test("a guest that ends with restart: no is EXITED with its code, and stays so", async () => {
  const world = new World();
  const { microvms, repository } = await world.daemon();
  const { uid } = await microvms.create(wireInput({ extension: extension() }));
  await settle();
  world.provider.end(uid, 3);
  await settle();
  expect(repository.get(uid).status).toMatchObject({ state: "exited", exit: { code: 3 } });
  world.clock.advance(1_000_000);
  await settle();
  expect(world.provider.calls).toEqual([`start ${uid}`]);
});

test("what a VMM that ended by itself still has of the host goes before the directory that names it", async () => {
  const world = new World();
  const { microvms, repository } = await world.daemon();
  const { uid } = await microvms.create(wireInput({ extension: extension() }));
  await settle();
  world.provider.end(uid, undefined);
  await settle();
  const { provider, host } = world;
  let hadDirectory: boolean | undefined;
  const stop = provider.stop.bind(provider);
  provider.stop = async (...args) => {
    hadDirectory = host.directories.size === 1;
    await stop(...args);
  };
  await microvms.deleteByUid(uid);
  await settle();
  expect([hadDirectory, provider.calls]).toEqual([true, [`start ${uid}`, `stop ${uid}`]]);
  expect([repository.find(uid), host.directories.size]).toEqual([undefined, 0]);
});

test("a guest that ends with restart: always is started again, later when it keeps ending", async () => {
  const world = new World();
  const { microvms, repository } = await world.daemon();
  const { uid } = await microvms.create(wireInput());
  await settle();
  world.clock.advance(61_000);
  world.provider.end(uid, undefined);
  await settle();
  expect(repository.get(uid).status.state).toBe("created");
  expect(world.provider.calls).toHaveLength(2);
  world.provider.end(uid, 0);
  await settle();
  expect(repository.get(uid).status).toMatchObject({ state: "pending", retry: 1 });
  world.clock.advance(20_000);
  await settle();
  expect(repository.get(uid).status.state).toBe("created");
});

test("a host that rebooted gets its microVMs back", async () => {
  const world = new World();
  const first = await world.daemon();
  const { uid } = await first.microvms.create(wireInput());
  await settle();
  await first.reconciler.close();
  await world.provider.stop({ uid, directory: "" }, 0, new AbortController().signal);
  const second = await world.daemon();
  await settle();
  expect(second.repository.get(uid).status.state).toBe("created");
  expect(world.provider.running).toBe(1);
});

test("a daemon that dies at any step is followed by one that ends in the same place", async () => {
  for (let dieAfter = 0; dieAfter < 40; dieAfter += 1) {
    const world = new World();
    const first = await world.daemon();
    const { uid } = await first.microvms.create(wireInput({ interfaces: [TAP] }));
    for (let i = 0; i < dieAfter; i++) await Promise.resolve();
    await first.reconciler.close();
    const second = await world.daemon();
    await settle();
    expect(second.repository.get(uid).status.state, `died after ${dieAfter}`).toBe("created");
    expect(world.provider.calls).toEqual([`start ${uid}`]);
    await second.microvms.deleteByUid(uid);
    for (let i = 0; i < dieAfter; i++) await Promise.resolve();
    await second.reconciler.close();
    const third = await world.daemon();
    await settle();
    expect(third.repository.find(uid)).toBeUndefined();
    expect(world.host.directories.size + world.host.devices.size + world.provider.running).toBe(0);
  }
});

test("a VM that cannot be observed is left as it is, and looked at again", async () => {
  const world = new World();
  const { microvms, repository, reconciler } = await world.daemon();
  const { uid } = await microvms.create(wireInput());
  await settle();
  const observe = world.provider.observe;
  world.provider.observe = () => Promise.reject(new FlintlockError("unsupported", "ip is gone for a moment"));
  reconciler.resync();
  await settle();
  expect(repository.get(uid).status).toMatchObject({ state: "created", retry: 0 });
  expect(world.provider.running).toBe(1);
  world.provider.observe = observe;
  world.clock.advance(30_000);
  await settle();
  expect(world.provider.calls).toEqual([`start ${uid}`]);
});

test("a FAILED VM whose release fails keeps its reason and is tried again later, not at once", async () => {
  const world = new World();
  world.provider.script.bootErrors = [failed("not_found")];
  const { microvms, repository } = await world.daemon();
  let removals = 0;
  const remove = world.host.remove.bind(world.host);
  world.host.remove = async (...args: readonly unknown[]) => {
    if (++removals < 3) throw new Error("EBUSY");
    return (remove as (...all: readonly unknown[]) => Promise<void>)(...args);
  };
  const { uid } = await microvms.create(wireInput());
  await settle();
  expect(removals).toBe(1);
  expect(repository.get(uid).status).toMatchObject({
    state: "failed",
    retry: 1,
    failure: { code: "not_found" },
  });
  for (let i = 0; i < 2; i++) {
    world.clock.advance(30_000);
    await settle();
  }
  expect(world.host.directories.size).toBe(0);
  expect(repository.get(uid).status).toMatchObject({
    state: "failed",
    retry: 1,
    failure: { code: "not_found" },
  });
});

test("a VM of a provider that this daemon lacks is left alone", async () => {
  const world = new World();
  const first = await world.daemon();
  const { uid } = await first.microvms.create(wireInput());
  await settle();
  await first.reconciler.close();
  const [entry] = await world.store.list("vm/");
  await world.store.commit({
    put: { [entry?.key ?? ""]: (entry?.value ?? "").replace('"simulated"', '"firecracker"') },
  });
  const second = await world.daemon();
  await settle();
  expect(second.repository.get(uid).status.state).toBe("created");
  expect(world.provider.running).toBe(1);
});

test("with allow_guest_agent the agent's socket is there for as long as the guest runs", async () => {
  const world = new World();
  const { microvms, repository, reconciler } = await world.daemon();
  const { uid } = await microvms.create(wireInput({ allowGuestAgent: true, extension: extension() }));
  await settle();
  const path = `/nowhere/${uid}.sock`;
  expect(repository.get(uid).status).toMatchObject({ state: "created", vsockPath: path });

  // As after the death of a daemon: the file is gone, and this record is from before there were any.
  await world.provider.agentSocket.close({ uid, directory: "" });
  await repository.updateStatus(uid, { vsockPath: undefined });
  reconciler.poke(uid);
  await settle();
  expect(repository.get(uid).status).toMatchObject({ state: "created", vsockPath: path });

  world.provider.end(uid, 0);
  await settle();
  expect(repository.get(uid).status).toMatchObject({ state: "exited", vsockPath: undefined });
  expect(await world.provider.agentSocket.observe({ uid, directory: "" })).toBe("absent");
});

test("without it there is none", async () => {
  const world = new World();
  const { microvms, repository } = await world.daemon();
  const { uid } = await microvms.create(wireInput());
  await settle();
  expect(repository.get(uid).status.vsockPath).toBeUndefined();
  expect(await world.provider.agentSocket.observe({ uid, directory: "" })).toBe("absent");
});
