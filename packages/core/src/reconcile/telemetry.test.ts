import { settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import { FlintlockError } from "../domain/errors.ts";
import { tellEach } from "../ports/telemetry.ts";

const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

test("a create is told of piece by piece, all of it in the trace of its request", async () => {
  const world = new World();
  const { microvms } = await world.daemon();
  const { uid } = await microvms.create(wireInput({ traceparent: TRACE }));
  await settle();
  const { spans } = world.telemetry;
  expect(spans.map(({ work }) => (work.kind === "step" ? work.step : work.kind))).toEqual([
    "store",
    "pullImage",
    "pullImage",
    "prepareVolume",
    "bootMachine",
    "ready",
    "reconcile",
  ]);
  for (const span of spans) {
    expect(span).toMatchObject({ uid, namespace: "ns", id: "web", ending: "ok", parent: TRACE });
  }
});

test("a failed step says with what code, its next attempt is counted, and the round says that it is tried again", async () => {
  const world = new World();
  world.provider.script.startErrors.push(new FlintlockError("provider_failed", "as scripted"));
  const { microvms } = await world.daemon();
  await microvms.create(wireInput());
  await settle();
  world.clock.advance(20_000);
  await settle();
  const boots = world.telemetry.of("step").filter(({ work }) => work.step === "bootMachine");
  expect(boots.map(({ work, ending }) => [work.attempt, ending])).toEqual([
    [1, "provider_failed"],
    [2, "ok"],
  ]);
  expect(world.telemetry.of("reconcile").map(({ work }) => work.result)).toEqual(["retry", "settled"]);
  const [ready] = world.telemetry.of("ready");
  expect(ready).toMatchObject({ ending: "ok", ms: 20_000 });
});

test("times are the clock's: a step without its wait, the readiness from the request", async () => {
  const world = new World();
  world.provider.script.bootMs = 700;
  const { microvms } = await world.daemon();
  for (let i = 0; i < 3; i++) await microvms.create(wireInput());
  await settle();
  // Two may boot at once: the third waits for its turn.
  world.clock.advance(700);
  await settle();
  world.clock.advance(700);
  await settle();
  const boots = world.telemetry.of("step").filter(({ work }) => work.step === "bootMachine");
  expect(boots.map(({ ms, work }) => [work.waitedMs, ms])).toEqual([
    [0, 700],
    [0, 700],
    [700, 700],
  ]);
  expect(world.telemetry.of("ready").map(({ ms }) => ms)).toEqual([700, 700, 1400]);
});

test("what waits and what runs can be asked at any time", async () => {
  const world = new World();
  world.provider.script.bootMs = 100;
  const { microvms, reconciler } = await world.daemon();
  for (let i = 0; i < 5; i++) await microvms.create(wireInput());
  await settle();
  expect(reconciler.load()).toMatchObject({ running: 5, watched: 0 });
  expect(reconciler.load().steps.get("bootMachine")).toEqual({ running: 2, waiting: 3 });
  for (let i = 0; i < 3; i++) {
    world.clock.advance(100);
    await settle();
  }
  expect(reconciler.load()).toMatchObject({ running: 0, watched: 5 });
  expect(reconciler.load().steps.get("bootMachine")).toEqual({ running: 0, waiting: 0 });
});

test("a daemon that takes over goes on in the same trace; once the guest is ready the trace is over", async () => {
  const world = new World();
  world.provider.script.bootMs = 1_000;
  const first = await world.daemon();
  const { uid } = await first.microvms.create(wireInput({ traceparent: TRACE }));
  await settle();
  await first.reconciler.close();
  world.telemetry.spans.length = 0;

  const second = await world.daemon();
  await settle();
  world.clock.advance(1_000);
  await settle();
  expect(world.telemetry.of("step")).toMatchObject([{ work: { step: "awaitGuest" }, parent: TRACE }]);
  expect(world.telemetry.of("ready")).toMatchObject([{ ending: "ok", parent: TRACE }]);
  expect(second.repository.get(uid).traceparent).toBeUndefined();

  world.telemetry.spans.length = 0;
  await second.microvms.deleteByUid(uid);
  await settle();
  expect(world.telemetry.spans.length).toBeGreaterThan(2);
  expect(world.telemetry.spans.filter(({ parent }) => parent !== undefined)).toEqual([]);
});

test("a create that fails for good says why, once, and a guest that comes back is no new create", async () => {
  const world = new World();
  const { microvms, repository } = await world.daemon();
  world.images.missing.add("example.test/root:1");
  const { uid } = await microvms.create(wireInput({ traceparent: TRACE }));
  await settle();
  expect(world.telemetry.of("ready")).toMatchObject([{ ending: "not_found", parent: TRACE, uid }]);
  expect(repository.get(uid).traceparent).toBeUndefined();

  world.images.missing.clear();
  const again = await microvms.create(wireInput());
  await settle();
  world.provider.end(again.uid, 0);
  await settle();
  world.clock.advance(60_000);
  await settle();
  expect(world.telemetry.of("ready").filter(({ uid }) => uid === again.uid)).toHaveLength(1);
});

test("each of several listeners is told", () => {
  const world = new World();
  const other = new World();
  const [span] = [
    {
      work: { kind: "store" },
      uid: world.ids.uid(),
      namespace: "ns",
      id: "web",
      startedAt: world.clock.now(),
      ms: 1,
      ending: "ok",
      parent: undefined,
    } as const,
  ];
  tellEach([world.telemetry, other.telemetry]).ended(span);
  expect([world.telemetry.spans, other.telemetry.spans]).toEqual([[span], [span]]);
});
