/** Guests, hosts and daemons that end by themselves, on a simulated host with a clock of our own. */
import { restarting, settle, World, wireInput, worldWithOne } from "@flintlock/core/testing";
import { describe, expect, test } from "vitest";
import { FlintlockError } from "../domain/errors.ts";

describe("after the host has restarted", () => {
  test("a microVM that ran runs, one that was stopped is stopped, one that was paused is paused", async () => {
    for (const restart of ["on-failure", "unless-stopped", "always"]) {
      const it = await worldWithOne(restarting(restart, restart === "on-failure" ? 1 : 0));
      await it.reboot();
      expect([it.status().state, it.status().restarts], restart).toEqual(["created", 0]);
      await it.microvms().pause(it.target);
      await settle();
      await it.reboot();
      expect(it.status().state).toBe("paused");
      await it.microvms().stop(it.target, undefined);
      await settle();
      await it.reboot();
      await it.pass(10_000_000);
      expect(it.status().state).toBe("stopped");
      expect(it.world.provider.running).toBe(0);
    }
  });

  test("restart no: what ran has EXITED, and stays so", async () => {
    const it = await worldWithOne(restarting("no"));
    await it.reboot();
    expect(it.status()).toMatchObject({ state: "exited", exit: { reason: "host restarted" } });
    await it.reboot();
    expect(it.status().state).toBe("exited");
    expect(it.calls()).toEqual(["start"]);
  });
});

describe("restart policies", () => {
  test("on-failure:2 runs three times, and is EXITED, crash-looping, with two restarts", async () => {
    const it = await worldWithOne(restarting("on-failure", 2));
    await it.end(1);
    expect(it.status()).toMatchObject({
      state: "pending",
      restarts: 1,
      reason: undefined,
      exit: { code: 1 },
    });
    await it.pass(1_000);
    await it.end(1);
    expect(it.status()).toMatchObject({ state: "pending", restarts: 2, reason: "crash-looping" });
    await it.pass(2_000);
    await it.end(1);
    const end = { state: "exited", restarts: 2, reason: "crash-looping", exit: { code: 1 } };
    expect(it.status()).toMatchObject(end);
    await it.nextDaemon();
    await it.pass(10_000_000);
    expect(it.status()).toMatchObject(end);
    await it.microvms().start(it.target);
    await settle();
    expect(it.status()).toMatchObject({ state: "created", restarts: 0, reason: undefined });
  });

  test("the back-off is on the record: a new daemon neither forgets nor hastens it", async () => {
    const it = await worldWithOne(restarting("unless-stopped"));
    for (const ms of [1_000, 2_000, 4_000]) {
      await it.end(0);
      await it.pass(ms);
    }
    await it.end(0);
    expect(it.status()).toMatchObject({ restarts: 4, reason: "crash-looping" });
    await it.pass(7_000);
    await it.nextDaemon();
    expect(it.status().state).toBe("pending");
    await it.pass(1_000);
    expect(it.status()).toMatchObject({ state: "created", restarts: 4, reason: "crash-looping" });
  });

  test("a run that lasts is forgiven those before it, while it lasts", async () => {
    const it = await worldWithOne(restarting("always"));
    await it.end(0);
    await it.pass(20_000);
    await it.end(0);
    await it.pass(40_000);
    expect(it.status()).toMatchObject({ state: "created", restarts: 2, reason: "crash-looping" });
    await it.pass(59_999);
    expect(it.status().restarts).toBe(2);
    await it.pass(1);
    expect(it.status()).toMatchObject({ state: "created", restarts: 0, reason: undefined });
    await it.end(0);
    expect(it.status().state).toBe("created");
  });

  test("labels that change do not make a short run long", async () => {
    const it = await worldWithOne();
    await it.pass(61_000);
    await it.microvms().setLabels(it.uid, { a: "b" });
    await it.end(0);
    expect(it.status()).toMatchObject({ state: "created", restarts: 0 });
  });

  test("a stop beats every policy, also while it waits for its back-off", async () => {
    for (const restart of ["no", "on-failure", "unless-stopped", "always"]) {
      const it = await worldWithOne(restarting(restart));
      await it.end(1);
      await it.microvms().stop(it.target, undefined);
      await it.nextDaemon();
      await it.pass(10_000_000);
      expect(it.status(), restart).toMatchObject({ state: "stopped", restarts: 0, exit: { code: 1 } });
      expect(it.calls()).toEqual(["start"]);
    }
  });
});

describe("a daemon that dies between wish and effect", () => {
  test.each([
    ["stop", "stopped"],
    ["pause", "paused"],
  ] as const)("a %s is done by the next, wherever it died", async (verb, state) => {
    for (let dieAfter = 0; dieAfter < 30; dieAfter++) {
      const it = await worldWithOne(restarting("no"));
      await it.microvms()[verb](it.target, undefined);
      for (let i = 0; i < dieAfter; i++) await Promise.resolve();
      await it.nextDaemon();
      expect(it.status().state, `died after ${dieAfter}`).toBe(state);
      expect(it.calls().filter((call) => call === verb)).toHaveLength(1);
    }
  });

  test("that a guest was ready is not forgotten, and its disk is kept, wherever it died", async () => {
    const seen = new Set<boolean>();
    for (let dieAfter = 0; dieAfter < 60; dieAfter++) {
      const world = new World();
      const first = await world.daemon();
      const { uid } = await first.microvms.create(wireInput());
      for (let i = 0; i < dieAfter; i++) await Promise.resolve();
      await first.reconciler.close();
      const machine = await world.provider.observe({ uid, directory: "" });
      const wasReady = machine.state === "running" && machine.isReady;
      seen.add(wasReady);
      world.provider.end(uid, 1);
      world.provider.script.startErrors = [new FlintlockError("not_found", "as scripted")];
      const second = await world.daemon();
      await settle();
      world.clock.advance(20_000);
      await settle();
      const { state, hasRun = false } = second.repository.get(uid).status;
      expect([state, hasRun, world.host.directories.size], `died after ${dieAfter}`).toEqual([
        "failed",
        wasReady,
        wasReady ? 1 : 0,
      ]);
    }
    expect(seen.size).toBe(2);
  });
});

test("records from before there were wishes read as running", async () => {
  const it = await worldWithOne(restarting("no"));
  await it.world.store.list("vm/").then(([entry]) => {
    const { format, vm } = JSON.parse(entry?.value ?? "");
    const { run: _run, ...old } = vm;
    const { restarts: _restarts, hasRun: _hasRun, readyAt: _readyAt, ...status } = vm.status;
    return it.world.store.commit({
      put: { [entry?.key ?? ""]: JSON.stringify({ format, vm: { ...old, status } }) },
    });
  });
  await it.nextDaemon();
  expect(it.record()).toMatchObject({
    run: { state: "running", isAnew: false },
    status: { state: "created", restarts: 0, hasRun: true },
  });
  expect(it.status().readyAt).toBeTypeOf("number");
  await it.end(7);
  expect(it.status()).toMatchObject({ state: "exited", exit: { code: 7 } });
});
