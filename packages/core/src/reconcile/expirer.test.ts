/** Time to live and idleness, on a simulated host with a clock of our own. */
import { extension, NO_CHANGE, settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import type { ExtensionInput } from "../domain/create-input.ts";
import type { ExpiryInput } from "../domain/expiry.ts";
import { decodeEvent } from "../records/event-codec.ts";

const MINUTE = 60_000;
const DAY = 86_400_000;

const start = async (expiry: Partial<ExpiryInput>, changes: Partial<ExtensionInput> = {}) => {
  const world = new World();
  let daemon = await world.daemon();
  const wish = { ttlSeconds: undefined, idleSeconds: undefined, action: "", ...expiry };
  const { uid } = await daemon.microvms.create(
    wireInput({ extension: extension({ restart: "always", ...changes, expiry: wish }) }),
  );
  await settle();
  const target = { target: uid, namespace: "" };
  const find = () => daemon.repository.find(uid);
  return {
    world,
    uid,
    target,
    find,
    pass: async (ms: number) => {
      world.clock.advance(ms);
      await settle();
    },
    state: () => find()?.status.state ?? "gone",
    microvms: () => daemon.microvms,
    use: () => daemon.expirer.begin(uid),
    modify: (change: Partial<ExpiryInput> & { readonly isProtected?: boolean }) => {
      const { isProtected, ...rest } = change;
      const input = {
        ...NO_CHANGE,
        isProtected,
        expiry: { ttlSeconds: undefined, idleSeconds: undefined, action: "", ...rest },
      };
      return daemon.microvms.update(target, input, false);
    },
    restartDaemon: async () => {
      daemon.expirer.close();
      await daemon.reconciler.close();
      daemon = await world.daemon();
      await settle();
    },
    events: async () =>
      (await world.store.journal(0, 200))
        .map(decodeEvent)
        .map(({ type, detail = "" }) => `${type} ${detail}`.trim()),
  };
};

test("at the end of its time to live it is deleted, and an event says why", async () => {
  const it = await start({ ttlSeconds: 60 });
  await it.pass(MINUTE - 1);
  expect(it.state()).toBe("created");
  await it.pass(1);
  expect(it.state()).toBe("gone");
  expect(it.world.provider.running).toBe(0);
  expect((await it.events()).slice(-2)).toEqual(["deleting its time to live was over", "deleted"]);
});

test("it is stopped instead when asked, once; a start lets it live on", async () => {
  const it = await start({ ttlSeconds: 60, action: "stop" });
  await it.pass(MINUTE);
  expect(it.state()).toBe("stopped");
  expect(it.find()?.status.expired).toMatchObject({ cause: "ttl", action: "stop" });
  expect(await it.events()).toContain("stopping its time to live was over");
  await it.microvms().start(it.target);
  await it.pass(DAY);
  expect(it.state()).toBe("created");
});

test("protection comes before the deletion: it is stopped", async () => {
  const it = await start({ ttlSeconds: 60 }, { isProtected: true });
  await it.pass(MINUTE);
  expect(it.state()).toBe("stopped");
  expect(it.find()?.status.expired).toMatchObject({ cause: "ttl", action: "stop" });
  await it.modify({ isProtected: false });
  await it.pass(DAY);
  expect(it.state()).toBe("stopped");
});

test("a time to live longer than any timer is kept", async () => {
  const it = await start({ ttlSeconds: 40 * 86_400 });
  for (let day = 1; day < 40; day++) await it.pass(DAY);
  expect(it.state()).toBe("created");
  await it.pass(DAY);
  expect(it.state()).toBe("gone");
});

test("unused for long enough it is stopped; sessions keep it, and their end starts the time anew", async () => {
  const it = await start({ idleSeconds: 600 });
  await it.pass(9 * MINUTE);
  const first = it.use();
  const second = it.use();
  await it.pass(60 * MINUTE);
  first();
  first();
  await it.pass(60 * MINUTE);
  expect(it.state()).toBe("created");
  second();
  await it.pass(10 * MINUTE - 1);
  expect(it.state()).toBe("created");
  await it.pass(1);
  expect(it.state()).toBe("stopped");
  expect(it.find()?.status.expired).toMatchObject({ cause: "idle", action: "stop" });
  expect(await it.events()).toContain("stopping nobody has used it for 600 s");
});

test("only a guest that is up and ready is idle, and the time begins when it is", async () => {
  const it = await start(
    { idleSeconds: 60, action: "delete" },
    { readyWhen: { conditions: ["agent"], timeoutSeconds: 3600 } },
  );
  await it.pass(10 * MINUTE);
  expect(it.state()).toBe("pending");
  it.world.probe.answers.set("agent", "met");
  await it.pass(1000);
  expect(it.state()).toBe("created");
  await it.microvms().pause(it.target);
  await it.pass(10 * MINUTE);
  expect(it.state()).toBe("paused");
  await it.microvms().resume(it.target);
  await settle();
  await it.pass(MINUTE - 1);
  expect(it.state()).toBe("created");
  await it.pass(1);
  expect(it.state()).toBe("gone");
});

test("a real session counts, from its request on", async () => {
  const it = await start({ idleSeconds: 60 });
  await it.pass(MINUTE - 1);
  const signal = new AbortController().signal;
  await expect(it.microvms().forward(it.target, 80, signal)).rejects.toThrow("no agent");
  await it.pass(MINUTE - 1);
  expect(it.state()).toBe("created");
  await it.microvms().get(it.target);
  await it.pass(1);
  expect(it.state()).toBe("stopped");
});

test("a daemon that starts again keeps both times, and gives whom it cut off a minute", async () => {
  const ttl = await start({ ttlSeconds: 600 });
  await ttl.pass(5 * MINUTE);
  await ttl.restartDaemon();
  await ttl.pass(5 * MINUTE - 1);
  expect(ttl.state()).toBe("created");
  await ttl.pass(1);
  expect(ttl.state()).toBe("gone");

  const idle = await start({ idleSeconds: 600 });
  await idle.pass(8 * MINUTE);
  idle.use();
  await settle();
  await idle.restartDaemon();
  await idle.pass(10 * MINUTE - 1);
  expect(idle.state()).toBe("created");
  await idle.pass(1);
  expect(idle.state()).toBe("stopped");

  const late = await start({ idleSeconds: 600 });
  await late.pass(9 * MINUTE + 59_000);
  await late.restartDaemon();
  await late.pass(MINUTE - 1);
  expect(late.state()).toBe("created");
  await late.pass(1);
  expect(late.state()).toBe("stopped");
});

test("what became due while no daemon ran is done by the next", async () => {
  const it = await start({ ttlSeconds: 60 });
  const restarted = it.restartDaemon();
  it.world.clock.advance(DAY);
  await restarted;
  await it.pass(0);
  expect(it.state()).toBe("gone");
});

test("both times can be changed, from now on, and taken away", async () => {
  const it = await start({ ttlSeconds: 60 });
  await it.pass(MINUTE - 1);
  const { changes } = await it.modify({ ttlSeconds: 120, action: "stop" });
  expect(changes).toEqual([
    { field: "ttl_seconds", effect: "live" },
    { field: "expiry_action", effect: "live" },
  ]);
  await it.pass(2 * MINUTE - 1);
  expect(it.state()).toBe("created");
  await it.modify({ ttlSeconds: 0, idleSeconds: 30 });
  await it.pass(30_000 - 1);
  expect(it.state()).toBe("created");
  await it.modify({ idleSeconds: 0 });
  await it.pass(DAY);
  expect(it.state()).toBe("created");
  expect(it.find()?.expiry).toBe(undefined);
});

test("a store that cannot be written is tried again", async () => {
  const it = await start({ ttlSeconds: 60 });
  const { commit } = it.world.store;
  let failures = 1;
  it.world.store.commit = (...args) =>
    failures-- > 0 ? Promise.reject(new Error("no space")) : commit.apply(it.world.store, args);
  await it.pass(MINUTE);
  expect(it.state()).toBe("created");
  await it.pass(30_000);
  expect(it.state()).toBe("gone");
});

test.each([
  [{ ttlSeconds: 31_622_401 }, "expiry.ttl_seconds"],
  [{ idleSeconds: -1 }, "expiry.idle_seconds"],
  [{ ttlSeconds: 1, action: "pause" }, "expiry.action"],
  [{ action: "stop" }, "expiry.action"],
])("%j is refused by the field's name", async (expiry, field) => {
  await expect(start(expiry)).rejects.toMatchObject({ code: "invalid_spec", detail: { field } });
});
