/** Stop, start, restart, pause and resume, and the restart policies, on a simulated host with a clock of our own. */
import { extension, settle, World, wireInput } from "@flintlock/core/testing";
import { describe, expect, test } from "vitest";
import type { CreateInput } from "../domain/create-input.ts";
import { FlintlockError } from "../domain/errors.ts";

const TAP = {
  deviceId: "eth1",
  type: 1,
  guestMac: undefined,
  address: undefined,
  bridgeName: undefined,
};
const service = (restart: string, maxRestarts = 0): Partial<CreateInput> => ({
  extension: extension({ restart, maxRestarts }),
});

/** A daemon with one microVM, settled; `reboot` and `nextDaemon` put another in its place. */
const startWith = async (input: Partial<CreateInput> = {}) => {
  const world = new World();
  let daemon = await world.daemon();
  const { uid } = await daemon.microvms.create(wireInput(input));
  await settle();
  const target = { target: uid, namespace: "" };
  const nextDaemon = async () => {
    await daemon.reconciler.close();
    daemon = await world.daemon();
    await settle();
  };
  const pass = async (ms: number) => {
    world.clock.advance(ms);
    await settle();
  };
  return {
    world,
    uid,
    target,
    pass,
    nextDaemon,
    /** Every VMM is gone, its files are there */
    reboot: async () => {
      await daemon.reconciler.close();
      world.provider.end(uid, undefined, "host restarted");
      await nextDaemon();
    },
    /** The guest ends by itself */
    end: async (code: number | undefined) => {
      world.provider.end(uid, code);
      await settle();
    },
    microvms: () => daemon.microvms,
    record: () => daemon.repository.get(uid),
    status: () => daemon.repository.get(uid).status,
    calls: () => world.provider.calls.map((call) => call.replace(` ${uid}`, "")),
  };
};

const failure = (message = "as scripted") => new FlintlockError("provider_failed", message);

describe("stop and start", () => {
  test("a stop answers at once, ends the machine, and keeps disk, interfaces and record", async () => {
    const it = await startWith({ interfaces: [TAP] });
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
    const it = await startWith();
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
    const it = await startWith();
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
    const it = await startWith();
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
    const it = await startWith();
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
    const it = await startWith(service("no"));
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
    const it = await startWith(service("no"));
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
    const it = await startWith();
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
    const it = await startWith({ interfaces: [TAP] });
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
    const it = await startWith(service("no"));
    await it.end(3);
    expect(it.status()).toMatchObject({ state: "exited", exit: { code: 3 } });
    await it.microvms().start(it.target);
    await settle();
    expect(it.status()).toMatchObject({ state: "created", exit: undefined });
    await it.end(4);
    expect(it.status()).toMatchObject({ state: "exited", exit: { code: 4 } });
  });

  test("of one that FAILED has all its attempts again", async () => {
    const it = await startWith();
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
    const it = await startWith({ interfaces: [TAP] });
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
    const it = await startWith(service("no"));
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
      const it = await startWith(service("no"));
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
    const it = await startWith();
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
    const it = await startWith();
    const { timings } = it.status();
    await it.microvms().pause(it.target);
    await settle();
    await it.microvms().resume(it.target);
    await settle();
    expect(it.status().timings).toEqual(timings);
  });

  test("of what does not run are refused with what would be right", async () => {
    const it = await startWith(service("no"));
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
    const it = await startWith();
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
    const it = await startWith();
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
    const it = await startWith(service("no"));
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
    const it = await startWith();
    await it.microvms().pause(it.target);
    await settle();
    await it.microvms().delete(it.target);
    await settle();
    expect(it.world.provider.running + it.world.host.directories.size).toBe(0);
  });

  test("a guest that ends while it is paused is for the restart policy, and is paused again", async () => {
    const it = await startWith();
    await it.microvms().pause(it.target);
    await settle();
    await it.end(undefined);
    await it.pass(20_000);
    expect(it.status().state).toBe("paused");
    expect(it.calls()).toEqual(["start", "pause", "start", "pause"]);
  });
});

describe("after the host has restarted", () => {
  test("a microVM that ran runs, one that was stopped is stopped, one that was paused is paused", async () => {
    for (const restart of ["on-failure", "unless-stopped", "always"]) {
      const it = await startWith(service(restart, restart === "on-failure" ? 1 : 0));
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
    const it = await startWith(service("no"));
    await it.reboot();
    expect(it.status()).toMatchObject({ state: "exited", exit: { reason: "host restarted" } });
    await it.reboot();
    expect(it.status().state).toBe("exited");
    expect(it.calls()).toEqual(["start"]);
  });
});

describe("restart policies", () => {
  test("on-failure:2 runs three times, and is EXITED, crash-looping, with two restarts", async () => {
    const it = await startWith(service("on-failure", 2));
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
    const it = await startWith(service("unless-stopped"));
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
    const it = await startWith(service("always"));
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
    const it = await startWith();
    await it.pass(61_000);
    await it.microvms().setLabels(it.uid, { a: "b" });
    await it.end(0);
    expect(it.status()).toMatchObject({ state: "created", restarts: 0 });
  });

  test("a stop beats every policy, also while it waits for its back-off", async () => {
    for (const restart of ["no", "on-failure", "unless-stopped", "always"]) {
      const it = await startWith(service(restart));
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
      const it = await startWith(service("no"));
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
  const it = await startWith(service("no"));
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
