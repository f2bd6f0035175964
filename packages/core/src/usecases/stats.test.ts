import { settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import { VMM_GROUP } from "../ports/provider.ts";
import { MEASURE_MS } from "./measure.ts";

const signal = new AbortController().signal;
const metric = (key: string, value: number) =>
  ({ group: VMM_GROUP, key, value, kind: "gauge", help: "" }) as const;

const started = async () => {
  const world = new World();
  const { microvms } = await world.daemon();
  const { uid } = await microvms.create(wireInput());
  await settle();
  world.provider.script.metrics = async () => [metric("cpu_milliseconds", 12), metric("resident_bytes", 34)];
  return { world, microvms, uid, target: { target: uid, namespace: "" } };
};

test("a guest that tells nothing hides nothing of what its VMM takes", async () => {
  const { microvms, target } = await started();
  const stats = await microvms.stats(target, signal);
  expect(stats).toMatchObject({
    vmm: { cpuMs: 12, residentBytes: 34 },
    vmmError: undefined,
    guest: undefined,
  });
  expect(stats.guestError).toBeDefined();
});

test("nor does a VMM that never answers hold up the caller for long", async () => {
  const { world, microvms, target } = await started();
  world.provider.script.metrics = () => new Promise(() => undefined);
  const asked = microvms.stats(target, signal);
  await settle();
  world.clock.advance(MEASURE_MS);
  expect(await asked).toMatchObject({ vmm: undefined, vmmError: { code: "deadline_exceeded" } });
});

test("one that does not run has no numbers and no errors", async () => {
  const { world, microvms, target, uid } = await started();
  world.provider.end(uid as never, undefined);
  await settle();
  world.provider.script.metrics = async () => [];
  const none = { vmm: undefined, vmmError: undefined, guest: undefined, guestError: undefined };
  expect(await microvms.stats(target, signal)).toMatchObject(none);
});
