/** Conditions between a guest that is up and a microVM that is ready, on a simulated host with a clock of our own. */
import { extension, settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import type { ExtensionInput } from "../domain/create-input.ts";
import { FlintlockError } from "../domain/errors.ts";
import { decodeEvent } from "../records/event-codec.ts";

const READY_WHEN = { conditions: ["agent", "tcp:80"], timeoutSeconds: 60 };

/** A microVM whose guest is up, and is asked for its conditions. */
const start = async (changes: Partial<ExtensionInput> = {}) => {
  const world = new World();
  let daemon = await world.daemon();
  const { uid } = await daemon.microvms.create(
    wireInput({ extension: extension({ readyWhen: READY_WHEN, ...changes }) }),
  );
  await settle();
  const pass = async (ms: number) => {
    world.clock.advance(ms);
    await settle();
  };
  return {
    world,
    uid,
    target: { target: uid, namespace: "" },
    pass,
    status: () => daemon.repository.get(uid).status,
    microvms: () => daemon.microvms,
    meet: async (...conditions: readonly string[]) => {
      for (const condition of conditions) world.probe.answers.set(condition, "met");
      await pass(1000);
    },
    restartDaemon: async () => {
      await daemon.reconciler.close();
      daemon = await world.daemon();
      await settle();
    },
    events: async () =>
      (await world.store.journal(0, 100))
        .map(decodeEvent)
        .map(({ type, detail = "" }) => `${type} ${detail}`.trim()),
  };
};

test("it is pending until each condition is met, in their order, and events and timings tell of each", async () => {
  const it = await start();
  expect(it.status()).toMatchObject({ state: "pending", hasRun: true });
  await it.meet("tcp:80");
  expect(it.world.probe.asked).not.toContain("tcp:80");
  await it.meet("agent");
  expect(it.status()).toMatchObject({ state: "created", failure: undefined });
  const events = await it.events();
  expect(events.slice(-3)).toEqual(["condition_met agent", "condition_met tcp:80", "running"]);
  expect(Object.keys(it.status().timings)).toEqual([
    "pullImage",
    "prepareVolume",
    "bootMachine",
    "awaitCondition agent",
    "awaitCondition tcp:80",
  ]);
  expect(it.status().timings["awaitCondition agent"]).toBe(2000);
});

test("after the time limit it has failed, with the condition and what was seen last, and its guest is ended", async () => {
  const it = await start({ restart: "always" });
  it.world.probe.answers.set("tcp:80", { isMet: false, seen: "Connection refused" });
  await it.meet("agent");
  for (let s = 1; s < 60; s++) await it.pass(1000);
  expect(it.status()).toMatchObject({
    state: "failed",
    failure: {
      step: "awaitCondition",
      code: "deadline_exceeded",
      message: "tcp:80 was not met within 60 s; last seen: Connection refused",
    },
  });
  expect(it.world.provider.running).toBe(0);

  it.world.probe.answers.set("tcp:80", "met");
  await it.microvms().start(it.target);
  await settle();
  expect(it.status()).toMatchObject({ state: "created", failure: undefined });
});

test("what is hopeless fails it at once", async () => {
  const it = await start();
  const hopeless = new FlintlockError("failed_precondition", "cloud-init failed");
  it.world.probe.answers.set("agent", { isMet: false, seen: "no", hopeless });
  await it.pass(1000);
  expect(it.status()).toMatchObject({
    state: "failed",
    failure: { step: "awaitCondition", message: "agent will not be met: cloud-init failed" },
  });
});

test("a daemon that starts again goes on with what is left, and within the same time", async () => {
  const it = await start();
  await it.meet("agent");
  await it.pass(40_000);
  const asked = it.world.probe.asked.length;
  await it.restartDaemon();
  expect(it.status().state).toBe("pending");
  expect(new Set(it.world.probe.asked.slice(asked))).toEqual(new Set(["tcp:80"]));
  expect(it.world.provider.calls).toEqual([`start ${it.uid}`]);
  for (let s = 41; s < 61; s++) await it.pass(1000);
  expect(it.status()).toMatchObject({ state: "failed", failure: { code: "deadline_exceeded" } });
});

test("one that became ready while no daemon ran is ready, however late", async () => {
  const it = await start();
  it.world.probe.answers.set("agent", "met").set("tcp:80", "met");
  it.world.clock.advance(0);
  const closing = it.restartDaemon();
  it.world.clock.advance(600_000);
  await closing;
  expect(it.status().state).toBe("created");
});

test("each run has to meet them anew, and one that is adopted does not", async () => {
  const it = await start();
  await it.meet("agent", "tcp:80");
  await it.restartDaemon();
  expect(it.status().state).toBe("created");
  it.world.probe.answers.delete("tcp:80");
  await it.microvms().restart(it.target, 0);
  await settle();
  expect(it.status().state).toBe("pending");
  await it.meet("tcp:80");
  expect(it.status().state).toBe("created");
});

test("a guest that ends meanwhile has exited, and is started again by its policy", async () => {
  const once = await start();
  once.world.provider.end(once.uid, 3);
  await settle();
  expect(once.status()).toMatchObject({ state: "exited", exit: { code: 3 } });

  const again = await start({ restart: "unless-stopped" });
  again.world.provider.end(again.uid, 3);
  await settle();
  expect(again.status()).toMatchObject({ state: "pending", restarts: 1 });
  await again.pass(1000);
  await again.meet("agent", "tcp:80");
  expect(again.status()).toMatchObject({ state: "created" });
});

test("stop, pause and delete do not wait", async () => {
  const stopped = await start();
  await stopped.microvms().stop(stopped.target, 0);
  await settle();
  expect(stopped.status().state).toBe("stopped");

  const paused = await start();
  await paused.microvms().pause(paused.target);
  await settle();
  expect(paused.status().state).toBe("paused");
  await paused.microvms().resume(paused.target);
  await settle();
  expect(paused.status().state).toBe("pending");
  await paused.meet("agent", "tcp:80");
  expect(paused.status().state).toBe("created");

  const deleted = await start();
  await deleted.microvms().delete(deleted.target);
  await settle();
  await expect(deleted.microvms().get(deleted.target)).rejects.toMatchObject({ code: "not_found" });
});

test("a socket to the agent costs no timing of the start", async () => {
  const { microvms, repository } = await new World().daemon();
  const { uid } = await microvms.create(wireInput({ allowGuestAgent: true }));
  await settle();
  expect(Object.keys(repository.get(uid).status.timings)).toEqual(
    expect.arrayContaining(["bootMachine", "openAgentSocket"]),
  );
});

test("its guest can be talked to meanwhile", async () => {
  const it = await start();
  const signal = new AbortController().signal;
  await expect(it.microvms().forward(it.target, 80, signal)).rejects.toThrow(
    "a simulated guest has no agent",
  );
  it.world.probe.answers.set("ip", "met");
  const seen = [];
  const request = { conditions: ["ip"], timeoutSeconds: 0 };
  for await (const { isMet } of it.microvms().probe(it.target, request, signal)) seen.push(isMet);
  expect(seen).toEqual([true]);
});

test.each([
  [{ conditions: [], timeoutSeconds: 0 }, "ready_when.conditions"],
  [{ conditions: ["agent", "x"], timeoutSeconds: 0 }, "ready_when.conditions[1]"],
  [{ conditions: ["agent"], timeoutSeconds: 3601 }, "ready_when.timeout_seconds"],
])("%j is refused by the field's name", async (readyWhen, field) => {
  const { microvms } = await new World().daemon();
  const input = wireInput({ extension: extension({ readyWhen }) });
  await expect(microvms.create(input)).rejects.toMatchObject({ code: "invalid_spec", detail: { field } });
});
