import { describe, expect, test } from "vitest";
import { World, wireInput } from "../../testing/index.ts";
import type { MicroVM, MicroVMStatus } from "./microvm.ts";
import { changedEvent, createdEvent, deletedEvent } from "./microvm-event.ts";
import { pause, type RunChange, restart, resume, start, stop } from "./run-wish.ts";
import { unixMs } from "./units.ts";

const made = async (): Promise<MicroVM> => {
  const { microvms } = await new World().daemon();
  const metadata = { "user-data": "c2VjcmV0" };
  return microvms.create(wireInput({ id: "web", namespace: "ns", labels: { tier: "front" }, metadata }));
};

const vm = await made();
const at = unixMs(1000);
const failure = { step: "bootMachine", code: "provider_failed", message: "no /dev/kvm", at };
const exit = { code: 3, reason: "exited", at };
const images = { "a:1": "sha256:0" } as MicroVMStatus["images"];

const withStatus = (status: Partial<MicroVMStatus>, before: MicroVM = vm): MicroVM => ({
  ...before,
  version: before.version + 1,
  status: { ...before.status, ...status },
});
const running = withStatus({ state: "created", images });
const failed = withStatus({ state: "failed", failure, retry: 10 }, withStatus({ retry: 9 }));

describe("what somebody has asked for has a type of its own, and what comes of it another", () => {
  const ended = withStatus({ state: "exited", exit }, running);
  const paused = {
    ...withStatus({ state: "paused" }, running),
    run: { state: "paused", isAnew: false },
  } as const;
  test.each<[string, MicroVM, RunChange]>([
    ["starting", ended, start],
    ["starting", running, restart(undefined)],
    ["stopping", running, stop(undefined)],
    ["pausing", running, pause],
    ["resuming", paused, resume],
  ])("%s", (type, before, change) => {
    const wished = change(before);
    expect(changedEvent(before, wished).type).toBe(type);
    const settled: MicroVM = { ...wished, run: { ...wished.run, isAnew: false } };
    expect(changedEvent(wished, settled).type).toBe("changed");
  });
});

describe("the type of a change is told by the record before and after", () => {
  test.each([
    ["pulled", vm, withStatus({ images })],
    ["running", vm, running],
    ["exited", running, withStatus({ state: "exited", exit }, running)],
    ["retrying", vm, withStatus({ retry: 1, failure })],
    ["retrying", running, withStatus({ state: "pending", retry: 1, exit }, running)],
    ["restarting", running, withStatus({ state: "pending", exit }, running)],
    ["failed", withStatus({ retry: 9 }), failed],
    ["labels_changed", vm, { ...vm, spec: { ...vm.spec, labels: { tier: "back" } } }],
    ["changed", running, withStatus({ vsockPath: "/x" }, running)],
    ["changed", vm, { ...vm, spec: { ...vm.spec, labels: { ...vm.spec.labels } } }],
    ["deleting", running, { ...withStatus({ state: "deleting" }, running), deletedAt: at }],
  ] as const)("%s", (type, before, after) => {
    expect(changedEvent(before, after)).toMatchObject({
      type,
      uid: vm.uid,
      namespace: "ns",
      name: "web",
      version: after.version,
      stateBefore: before.status.state,
      state: after.status.state,
    });
  });
});

test("a deletion that fails says that it is tried again", () => {
  const deleting = { ...withStatus({ state: "deleting" }), deletedAt: at };
  expect(changedEvent(deleting, withStatus({ retry: 1, failure }, deleting))).toMatchObject({
    type: "retrying",
    state: "deleting",
    failure,
  });
});

test("the ends of a life have one state, and the version goes on", () => {
  expect(createdEvent(vm)).toMatchObject({
    type: "created",
    version: 1,
    state: "pending",
    stateBefore: undefined,
  });
  expect(deletedEvent(running, at)).toMatchObject({
    type: "deleted",
    version: running.version + 1,
    stateBefore: "created",
    state: undefined,
    at,
  });
});

test("why is told once, by the change that brought it, and not at length", () => {
  const long = withStatus({ retry: 1, failure: { ...failure, message: "x".repeat(5000) } });
  expect(changedEvent(vm, long).failure?.message).toHaveLength(513);
  expect(changedEvent(long, withStatus({ images }, long)).failure).toBeUndefined();
  expect(changedEvent(running, withStatus({ state: "exited", exit }, running)).exit).toEqual(exit);
});

test("other labels are told with those before", () => {
  const after = { ...vm, spec: { ...vm.spec, labels: {} } };
  expect(changedEvent(vm, after)).toMatchObject({ labels: {}, labelsBefore: { tier: "front" } });
  expect(changedEvent(vm, running).labelsBefore).toBeUndefined();
});

test("no secret is in it", () => {
  expect(JSON.stringify([createdEvent(vm), changedEvent(vm, running), deletedEvent(vm, at)])).not.toContain(
    "c2Vj",
  );
});
