import { settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import type { MachineMetric } from "../ports/provider.ts";
import { MEASURE_ALL_MS, MEASURE_MS } from "./measure.ts";

const signal = new AbortController().signal;
const metric = (value: number): MachineMetric => ({
  group: "g",
  key: "k",
  value,
  kind: "counter",
  help: "Some number",
});

const withMicroVMs = async (count: number) => {
  const world = new World();
  const { microvms } = await world.daemon();
  const uids: string[] = [];
  for (let i = 0; i < count; i++) uids.push((await microvms.create(wireInput())).uid);
  await settle();
  return { world, microvms, uids };
};

test("each microVM's numbers come in the order asked; a uid of none is left out; one that does not run has none", async () => {
  const { world, microvms, uids } = await withMicroVMs(3);
  world.provider.script.metrics = async () => [metric(7)];
  const [a = "", b = "", c = ""] = uids;
  world.provider.end(b as never, undefined);
  const measured = await microvms.measure([c, "no-uid", a, b, "01ARZ3NDEKTSV4RRFFQ69G5FAV"], "all", signal);
  expect(measured).toEqual([
    { uid: c, namespace: "ns", id: "web", metrics: [metric(7)], error: undefined },
    { uid: a, namespace: "ns", id: "web", metrics: [metric(7)], error: undefined },
    { uid: b, namespace: "ns", id: "web", metrics: [], error: undefined },
  ]);
});

test("one that fails, and one that never answers, do not hide the others", async () => {
  const { world, microvms, uids } = await withMicroVMs(3);
  world.provider.script.metrics = async ({ uid }) => {
    if (uid === uids[0]) throw new Error("QEMU is confused");
    return uid === uids[1] ? new Promise(() => undefined) : [metric(1)];
  };
  const asked = microvms.measure(uids, "all", signal);
  await settle();
  world.clock.advance(MEASURE_MS);
  const [broken, hung, well] = await asked;
  expect(broken).toMatchObject({ metrics: [], error: { code: "internal" } });
  expect(hung).toMatchObject({ metrics: [], error: { code: "deadline_exceeded" } });
  expect(well).toMatchObject({ metrics: [metric(1)], error: undefined });
});

test("a hundred that never answer hold up nobody longer than a scraper waits", async () => {
  const { world, microvms, uids } = await withMicroVMs(100);
  let asking = 0;
  let most = 0;
  world.provider.script.metrics = () => {
    most = Math.max(most, ++asking);
    return new Promise(() => undefined);
  };
  const asked = microvms.measure(uids, "vmm", signal);
  for (let ms = 0; ms < MEASURE_ALL_MS; ms += MEASURE_MS) {
    await settle();
    world.clock.advance(MEASURE_MS);
    asking = 0;
  }
  const measured = await asked;
  expect(measured).toHaveLength(100);
  expect(measured.every(({ error }) => error?.code === "deadline_exceeded")).toBe(true);
  expect(most).toBe(16);
});

test("who goes away is not waited for", async () => {
  const { world, microvms, uids } = await withMicroVMs(1);
  world.provider.script.metrics = () => new Promise(() => undefined);
  const control = new AbortController();
  const asked = microvms.measure(uids, "all", control.signal);
  await settle();
  control.abort(new Error("gone"));
  await expect(asked).rejects.toThrow("gone");
});

test("numbers that are none, and more than a machine can have, are left out", async () => {
  const { world, microvms, uids } = await withMicroVMs(1);
  world.provider.script.metrics = async () => [
    metric(Number.NaN),
    metric(0.5),
    ...Array.from({ length: 5000 }, (_, value) => metric(value)),
  ];
  const [measured] = await microvms.measure(uids, "all", signal);
  expect(measured?.metrics.length).toBe(1024);
  expect(measured?.metrics[0]).toEqual(metric(0));
});
