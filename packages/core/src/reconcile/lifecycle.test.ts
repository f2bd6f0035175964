/** Stop, start, restart, pause and resume, on a simulated host with a clock of our own. */
import { restarting, settle, World, wireInput, worldWithOne } from "@flintlock/core/testing";
import { describe, expect, test } from "vitest";
import { FlintlockError } from "../domain/errors.ts";

const TAP = {
  deviceId: "eth1",
  type: 1,
  guestMac: undefined,
  address: undefined,
  bridgeName: undefined,
};
const failure = (message = "as scripted") => new FlintlockError("provider_failed", message);

describe("stop and start", () => {
  test("a stop answers at once, ends the machine, and keeps disk, interfaces and record", async () => {
    const it = await worldWithOne({ interfaces: [TAP] });
    const asked = await it.microvms().stop(it.target, undefined);
    expect(asked).toMatchObject({ run: { state: "stopped" }, status: { state: "pending" } });
    await settle();
    expect(it.status()).toMatchObject({ state: "stopped", hasRun: true, readyAt: undefined });
    const { provider, host } = it.world;
    expect([provider.running, host.directories.size, host.devices.size]).toEqual([0, 1, 1]);
    await it.pass(10_000_000);
    expect(it.calls()).toEqual(["start", "stop"]);
  });

  test("a start boots from what was there, and is the same microVM", async () => {
    const it = await worldWithOne();
    const disks = () => [...it.world.host.disks.values()];
    const before = disks();
    await it.microvms().stop(it.target, undefined);
    await settle();
    const asked = await it.microvms().start(it.target);
    expect(asked.status.state).toBe("pending");
    await settle();
    expect(it.status()).toMatchObject({ state: "created", retry: 0, failure: undefined, exit: undefined });
    expect(it.record().run).toEqual({ state: "running", isAnew: false });
    expect(disks()).toEqual(before);
    expect(it.calls()).toEqual(["start", "stop", "start"]);
  });

  test("what is wished already changes nothing", async () => {
    const it = await worldWithOne();
    const running = it.record();
    expect(await it.microvms().start(it.target)).toBe(running);
    expect(await it.microvms().resume(it.target)).toBe(running);
    await it.microvms().stop(it.target, undefined);
    await settle();
    const stopped = it.record();
    expect(await it.microvms().stop(it.target, 0)).toBe(stopped);
    await settle();
    expect(it.calls()).toEqual(["start", "stop"]);
  });

  test("the grace is the request's, or the daemon's; a kill cuts a stop short", async () => {
    const it = await worldWithOne();
    it.world.provider.script.stopMs = "grace";
    await it.microvms().stop(it.target, 5_000);
    await settle();
    await it.pass(4_999);
    expect(it.status().state).toBe("pending");
    await it.microvms().stop(it.target, 5_000);
    await settle();
    await it.pass(1);
    expect(it.status().state).toBe("stopped");

    await it.microvms().start(it.target);
    await settle();
    await it.microvms().stop(it.target, undefined);
    await settle();
    await it.pass(999);
    expect(it.status().state).toBe("pending");
    await it.pass(1);
    expect(it.status().state).toBe("stopped");

    await it.microvms().start(it.target);
    await settle();
    await it.microvms().stop(it.target, 3_600_000);
    await settle();
    await it.pass(60_000);
    await it.microvms().stop(it.target, 0);
    await settle();
    expect(it.status().state).toBe("stopped");
  });

  test("a long grace is not cut short by the step's own deadline", async () => {
    const it = await worldWithOne();
    it.world.provider.script.stopMs = "grace";
    await it.microvms().stop(it.target, 3_600_000);
    await settle();
    await it.pass(3_599_999);
    expect(it.status()).toMatchObject({ state: "pending", failure: undefined });
    await it.pass(1);
    expect(it.status().state).toBe("stopped");
  });

  test("a stop cuts off a boot that is under way", async () => {
    const world = new World();
    world.provider.script.bootMs = 1_000_000;
    const { microvms, repository } = await world.daemon();
    const { uid } = await microvms.create(wireInput());
    await settle();
    await microvms.stop({ target: uid, namespace: "" }, 0);
    await settle();
    expect(repository.get(uid).status.state).toBe("stopped");
    expect(repository.get(uid).status.hasRun).toBeUndefined();
    expect(world.provider.running).toBe(0);
  });

  test("a start that comes while it is still stopping waits for the end of that run", async () => {
    const it = await worldWithOne(restarting("no"));
    it.world.provider.script.stopMs = 500;
    await it.microvms().stop(it.target, undefined);
    await settle();
    await it.microvms().start(it.target);
    await settle();
    expect(it.calls()).toEqual(["start"]);
    await it.pass(500);
    expect(it.calls()).toEqual(["start", "stop", "start"]);
    expect(it.status().state).toBe("created");
  });

  test("one that cannot be stopped is tried again, never FAILED, and stopped in the end", async () => {
    const it = await worldWithOne(restarting("no"));
    const { stop } = it.world.provider;
    it.world.provider.stop = () => Promise.reject(new FlintlockError("unsupported", "as scripted"));
    await it.microvms().stop(it.target, undefined);
    for (let i = 0; i < 20; i++) await it.pass(60_000);
    expect(it.status()).toMatchObject({ state: "pending", failure: { step: "stopMachine" } });
    it.world.provider.stop = stop;
    await it.microvms().stop(it.target, undefined);
    await settle();
    expect(it.status().state).toBe("stopped");
  });

  test("a microVM that is being deleted takes no verb any more", async () => {
    const it = await worldWithOne();
    it.world.provider.script.stopMs = 1000;
    await it.microvms().delete(it.target);
    for (const verb of ["start", "stop", "restart", "pause", "resume"] as const) {
      await expect(it.microvms()[verb](it.target, 0)).rejects.toMatchObject({
        code: "failed_precondition",
        message: "microvm web is being deleted",
      });
    }
  });

  test("a delete of a stopped microVM leaves nothing", async () => {
    const it = await worldWithOne({ interfaces: [TAP] });
    await it.microvms().stop(it.target, undefined);
    await settle();
    await it.microvms().delete(it.target);
    await settle();
    expect(it.world.host.directories.size + it.world.host.devices.size).toBe(0);
    expect(await it.world.store.list("vm/")).toEqual([]);
  });
});

describe("start after an end", () => {
  test("of a guest that has EXITED is a new run", async () => {
    const it = await worldWithOne(restarting("no"));
    await it.end(3);
    expect(it.status()).toMatchObject({ state: "exited", exit: { code: 3 } });
    await it.microvms().start(it.target);
    await settle();
    expect(it.status()).toMatchObject({ state: "created", exit: undefined });
    await it.end(4);
    expect(it.status()).toMatchObject({ state: "exited", exit: { code: 4 } });
  });

  test("of one that FAILED has all its attempts again", async () => {
    const it = await worldWithOne();
    await it.microvms().stop(it.target, undefined);
    await settle();
    it.world.provider.script.bootErrors = Array.from({ length: 11 }, () => failure());
    await it.microvms().start(it.target);
    for (let attempt = 0; attempt <= 11; attempt++) await it.pass(300_000);
    expect(it.status()).toMatchObject({ state: "failed", retry: 11 });
    it.world.provider.script.bootErrors = [failure()];
    await it.microvms().start(it.target);
    await settle();
    expect(it.status()).toMatchObject({ state: "pending", retry: 1 });
    await it.pass(20_000);
    expect(it.status()).toMatchObject({ state: "created", retry: 0, failure: undefined });
  });

  test("that fails keeps directory and disk where a guest has run, and lets go of the rest", async () => {
    const it = await worldWithOne({ interfaces: [TAP] });
    await it.microvms().stop(it.target, undefined);
    await settle();
    it.world.provider.script.bootErrors = [new FlintlockError("not_found", "as scripted")];
    await it.microvms().start(it.target);
    await settle();
    expect(it.status()).toMatchObject({ state: "failed", hasRun: true });
    const { host, provider } = it.world;
    expect([provider.running, host.directories.size, host.disks.size, host.devices.size]).toEqual([
      0, 1, 1, 0,
    ]);
  });

  test("does not wait for a back-off", async () => {
    const world = new World();
    world.provider.script.bootErrors = [failure()];
    const { microvms, repository } = await world.daemon();
    const { uid } = await microvms.create(wireInput());
    await settle();
    expect(repository.get(uid).status.state).toBe("pending");
    await microvms.start({ target: uid, namespace: "" });
    await settle();
    expect(repository.get(uid).status.state).toBe("created");
  });
});

describe("restart", () => {
  test("ends the run and begins another, once, whatever state it is in", async () => {
    const it = await worldWithOne(restarting("no"));
    it.world.provider.script.stopMs = 100;
    expect((await it.microvms().restart(it.target, undefined)).status.state).toBe("pending");
    await settle();
    await it.microvms().restart(it.target, undefined);
    await it.pass(100);
    expect(it.status().state).toBe("created");
    expect(it.calls()).toEqual(["start", "stop", "start"]);

    await it.end(1);
    expect(it.status().state).toBe("exited");
    await it.microvms().restart(it.target, undefined);
    await settle();
    expect(it.status().state).toBe("created");
  });

  test("is not forgotten, and not done twice, by a daemon that dies anywhere in it", async () => {
    for (let dieAfter = 0; dieAfter < 40; dieAfter++) {
      const it = await worldWithOne(restarting("no"));
      await it.microvms().restart(it.target, undefined);
      for (let i = 0; i < dieAfter; i++) await Promise.resolve();
      await it.nextDaemon();
      expect(it.status().state, `died after ${dieAfter}`).toBe("created");
      expect(it.calls(), `died after ${dieAfter}`).toEqual(["start", "stop", "start"]);
      expect(it.record().run.isAnew).toBe(false);
    }
  });
});

describe("pause and resume", () => {
  test("stop the processors and let them go on: the same VMM, and a settled state", async () => {
    const it = await worldWithOne();
    expect((await it.microvms().pause(it.target)).status.state).toBe("pending");
    await settle();
    expect(it.status().state).toBe("paused");
    await it.nextDaemon();
    expect(it.status().state).toBe("paused");
    await it.microvms().resume(it.target);
    await settle();
    expect(it.status().state).toBe("created");
    expect(it.calls()).toEqual(["start", "pause", "resume"]);
  });

  test("leave how long the boot took as it was", async () => {
    const it = await worldWithOne();
    const { timings } = it.status();
    await it.microvms().pause(it.target);
    await settle();
    await it.microvms().resume(it.target);
    await settle();
    expect(it.status().timings).toEqual(timings);
  });

  test("of what does not run are refused with what would be right", async () => {
    const it = await worldWithOne(restarting("no"));
    await it.end(0);
    await expect(it.microvms().pause(it.target)).rejects.toMatchObject({
      code: "failed_precondition",
      message: "microvm web is exited",
      hint: "Start it first.",
    });
    await it.microvms().stop(it.target, undefined);
    await expect(it.microvms().resume(it.target)).rejects.toMatchObject({
      message: "microvm web is stopped",
    });
  });

  test("one that is paused is not started, and stops after it was resumed; a kill does not resume it", async () => {
    const it = await worldWithOne();
    await it.microvms().pause(it.target);
    await settle();
    await expect(it.microvms().start(it.target)).rejects.toMatchObject({ hint: "Resume it." });
    await it.microvms().stop(it.target, undefined);
    await settle();
    expect(it.status().state).toBe("stopped");
    await it.microvms().start(it.target);
    await settle();
    await it.microvms().pause(it.target);
    await settle();
    await it.microvms().stop(it.target, 0);
    await settle();
    expect(it.status().state).toBe("stopped");
    expect(it.calls()).toEqual(["start", "pause", "resume", "stop", "start", "pause", "stop"]);
  });

  test("a VMM that was paused behind our back goes on, one that was resumed stands still again", async () => {
    const it = await worldWithOne();
    const ref = { uid: it.uid, directory: "" };
    await it.world.provider.pause(ref);
    await it.nextDaemon();
    expect(it.status().state).toBe("created");
    await it.microvms().pause(it.target);
    await settle();
    await it.world.provider.resume(ref);
    await it.nextDaemon();
    expect(it.status().state).toBe("paused");
    expect(it.calls()).toEqual(["start", "pause", "resume", "pause", "resume", "pause"]);
  });

  test("a guest that cannot be paused is never ended for it", async () => {
    const it = await worldWithOne(restarting("no"));
    it.world.provider.pause = () => Promise.reject(new FlintlockError("unsupported", "as scripted"));
    await it.microvms().pause(it.target);
    for (let i = 0; i < 20; i++) await it.pass(60_000);
    expect(it.status()).toMatchObject({ state: "pending", failure: { step: "pauseMachine" } });
    await it.microvms().resume(it.target);
    await settle();
    expect(it.status()).toMatchObject({ state: "created", failure: undefined });
    expect(it.calls()).toEqual(["start"]);
  });

  test("a delete of a paused microVM leaves nothing", async () => {
    const it = await worldWithOne();
    await it.microvms().pause(it.target);
    await settle();
    await it.microvms().delete(it.target);
    await settle();
    expect(it.world.provider.running + it.world.host.directories.size).toBe(0);
  });

  test("a guest that ends while it is paused is for the restart policy, and is paused again", async () => {
    const it = await worldWithOne();
    await it.microvms().pause(it.target);
    await settle();
    await it.end(undefined);
    await it.pass(20_000);
    expect(it.status().state).toBe("paused");
    expect(it.calls()).toEqual(["start", "pause", "start", "pause"]);
  });
});
