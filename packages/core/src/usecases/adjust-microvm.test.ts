import { extension, NO_CHANGE, settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import type { UpdateInput } from "../domain/update.ts";

const input = (change: Partial<UpdateInput>): UpdateInput => ({ ...NO_CHANGE, ...change });

const CAPABILITIES = ["user-network", "rate-limits", "balloon"] as const;

const port = (hostPort: number, guestPort: number, protocol = "") => ({
  hostIp: "",
  hostPort,
  guestPort,
  protocol,
});

const begin = async (world = new World(CAPABILITIES)) => {
  const daemon = await world.daemon();
  const create = (id: string) =>
    daemon.microvms.create(
      wireInput({ id, extension: extension({ balloonMib: 0, ports: [{ ...port(8080, 80) }] }) }),
    );
  const vm = await create("web");
  await settle();
  const target = { target: vm.uid, namespace: "" };
  const update = (change: Partial<UpdateInput>, dryRun = false) =>
    daemon.microvms.update(target, input(change), dryRun);
  const calls = () =>
    world.provider.calls.filter((call) => call.startsWith("adjust")).map((call) => call.split(" ")[1]);
  return { world, ...daemon, create, target, update, calls, uid: vm.uid };
};

test("what a machine can be given while it runs, it has when the change is answered", async () => {
  const { update, calls, microvms, uid } = await begin();
  const change = {
    limits: { diskOpsPerSecond: 100 },
    balloonMib: 256,
    publish: [port(9090, 90)],
    diskInMb: 2048,
  };
  const dry = await update(change, true);
  expect(calls()).toEqual([]);
  const { microvm, changes } = await update(change);
  expect(changes).toEqual(dry.changes);
  expect(changes).toEqual(
    ["limits", "balloon_mib", "ports", "disk_in_mb"].map((field) => ({ field, effect: "live" })),
  );
  expect(calls()).toEqual(["diskMib", "limits", "balloonMib", "ports"]);
  expect(microvm.spec).toMatchObject({
    limits: { diskOpsPerSecond: 100 },
    balloonMib: 256,
    ports: [{ hostPort: 8080 }, { hostPort: 9090, guestPort: 90, hostIp: "127.0.0.1", protocol: "tcp" }],
    rootVolume: { grownToMib: 2048 },
  });
  expect((await update(change)).changes).toEqual([]);
  // 0 is no limit any more, and what is left out stays.
  await update({ limits: { diskBytesPerSecond: 4096 } });
  expect((await microvms.getByUid(uid)).spec.limits).toEqual({
    diskOpsPerSecond: 100,
    diskBytesPerSecond: 4096,
  });
  await update({ limits: { diskOpsPerSecond: 0, diskBytesPerSecond: 0 } });
  expect((await microvms.getByUid(uid)).spec.limits).toBeUndefined();
});

test("a guest that was started anew has what was asked for meanwhile, and nothing is left to adjust", async () => {
  const { update, calls, microvms, target, uid, world } = await begin();
  expect((await update({ vcpu: 2, memoryInMb: 2048 })).changes.map(({ effect }) => effect)).toEqual([
    "next-start",
    "next-start",
  ]);
  await microvms.stop(target, 0);
  await settle();
  expect((await update({ diskInMb: 4096, balloonMib: 64 })).changes.map(({ effect }) => effect)).toEqual([
    "next-start",
    "next-start",
  ]);
  let started: unknown;
  world.provider.onStart = (machine) => {
    started = machine;
  };
  await microvms.start(target);
  await settle();
  expect(started).toMatchObject({ vcpu: 2, memoryMib: 2048, balloonMib: 64, diskMib: { root: 4096 } });
  expect([...world.host.sizes.values()]).toEqual([4096 * 1024 ** 2]);
  expect(calls()).toEqual([]);
  expect((await microvms.getByUid(uid)).status.state).toBe("created");
});

test("processors and memory are changed at once within the room that the machine was started with", async () => {
  const world = new World(CAPABILITIES);
  world.provider.script.room = { vcpu: 4, memoryMib: 4096, memoryStepMib: 128 };
  const { update } = await begin(world);
  const effects = async (change: Partial<UpdateInput>) =>
    (await update(change, true)).changes.map(({ effect }) => effect);
  expect(await effects({ vcpu: 4, memoryInMb: 2048 })).toEqual(["live", "live"]);
  expect(await effects({ vcpu: 5, memoryInMb: 8192 })).toEqual(["next-start", "next-start"]);
  expect(await effects({ memoryInMb: 1025 })).toEqual(["next-start"]);
  expect(await effects({ memoryInMb: 512 })).toEqual(["next-start"]);
});

test("a guest runs on that could not be adjusted: the record says why, and asking again tries again", async () => {
  const { update, calls, microvms, world, uid } = await begin();
  world.provider.script.adjustErrors.push(new Error("the VMM would not"));
  const { microvm, changes } = await update({ limits: { diskOpsPerSecond: 100 } });
  expect(changes).toEqual([{ field: "limits", effect: "next-start" }]);
  expect(microvm.status).toMatchObject({ state: "created", failure: { step: "adjustMachine" }, retry: 0 });
  expect(world.provider.running).toBe(1);
  await world.clock.advance(60_000);
  expect(calls()).toEqual([]);
  await update({ limits: { diskOpsPerSecond: 100 } });
  await settle();
  expect(calls()).toEqual(["limits"]);
  expect((await microvms.getByUid(uid)).status.failure).toBeUndefined();
});

test("a change that a daemon had no time for is made by the next one", async () => {
  const { update, calls, reconciler, world } = await begin();
  await reconciler.close();
  await update({ balloonMib: 128 });
  expect(calls()).toEqual([]);
  await world.daemon();
  await settle();
  expect(calls()).toEqual(["balloonMib"]);
});

test.each([
  [{ diskInMb: 512 }, "disk_in_mb", "512 MiB is less than the 1024 MiB that volume root has"],
  [{ diskInMb: 2 ** 31 }, "disk_in_mb", "out of range"],
  [{ volumeSizes: [{ id: "data", sizeInMb: 4096 }] }, "volume_sizes[0].id", "no such volume; it has root"],
  [{ diskInMb: 2048, volumeSizes: [{ id: "root", sizeInMb: 4096 }] }, "volume_sizes[0].id", "twice"],
  [{ balloonMib: 1000 }, "balloon_mib", "at most 992"],
  [{ limits: { diskBytesPerSecond: 1 } }, "limits.disk_bytes_per_second", "1024"],
  [{ publish: [port(9000, 0)] }, "publish[0].guest_port", "must be 1 to"],
  [{ publish: [port(8080, 81)] }, "publish[0]", "twice"],
  [{ publish: Array.from({ length: 64 }, (_, index) => port(9000 + index, 1)) }, "publish", "at most 64"],
  [{ unpublish: [port(9000, 0)] }, "unpublish[0]", "9000 is not published; those are: 127.0.0.1:8080/tcp"],
])("%j is refused by its field, and says what would be right", async (bad, field, words) => {
  const { update, microvms, uid } = await begin();
  const before = await microvms.getByUid(uid);
  await expect(update({ labels: { a: "b" }, ...bad })).rejects.toMatchObject({
    code: "invalid_spec",
    detail: { field },
    message: expect.stringContaining(words),
  });
  expect(await microvms.getByUid(uid)).toEqual(before);
});

test("what the provider lacks is refused, as at a create", async () => {
  const { update } = await begin(new World(["user-network", "balloon"]));
  await expect(update({ limits: { diskOpsPerSecond: 1 } })).rejects.toMatchObject({
    code: "failed_precondition",
  });
});

test("a port moves to another guest port in one change; one that another microVM has is refused with its name", async () => {
  const { update, create, world, uid, microvms } = await begin();
  await update({ publish: [port(8080, 81)], unpublish: [port(8080, 0)] });
  expect((await microvms.getByUid(uid)).spec.ports).toMatchObject([{ hostPort: 8080, guestPort: 81 }]);
  world.host.taken.add(8080);
  await expect(create("other")).rejects.toMatchObject({
    message: expect.stringContaining("microvm ns/web publishes it"),
  });
});
