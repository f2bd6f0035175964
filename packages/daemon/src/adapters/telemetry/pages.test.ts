import {
  FlintlockError,
  type MachineMetric,
  type MicroVM,
  type MicroVMUseCases,
  VMM_GROUP,
} from "@flintlock/core";
import { settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import { microvmFamilies } from "./microvm-families.ts";
import { metricsPages } from "./pages.ts";
import { lint, type ParsedSample, parseExposition } from "./testing/parse-exposition.ts";

const signal = new AbortController().signal;
const pages = metricsPages({
  text: async () => "# HELP host_wide A number\n# TYPE host_wide gauge\nhost_wide 1\n",
});

const get = async (path: string, params: Readonly<Record<string, string>>, microvms: MicroVMUseCases) => {
  const page = pages.find((one) => one.path === path);
  if (page === undefined) throw new Error(`no page ${path}`);
  return await page.access.serve(params, { useCases: { microvms }, signal });
};

const setUp = async (names: readonly (readonly [namespace: string, id: string])[]) => {
  const world = new World();
  const { microvms } = await world.daemon();
  const vms: MicroVM[] = [];
  for (const [namespace, id] of names) vms.push(await microvms.create(wireInput({ namespace, id })));
  await settle();
  return { world, microvms, uids: vms.map(({ uid }) => uid) };
};

const samplesOf = (text: string, name: string): readonly ParsedSample[] =>
  parseExposition(text).find((family) => family.name === name)?.samples ?? [];

const number = (key: string, value: number): MachineMetric => ({
  group: VMM_GROUP,
  key,
  value,
  kind: "gauge",
  help: "Some number",
});

test("upstream's four routes tell of all microVMs, of a namespace, of a name, and of one", async () => {
  const { microvms, uids } = await setUp([
    ["a", "web"],
    ["a", "db"],
    ["b", "web"],
    ["a", "web"],
  ]);
  const told = async (path: string, params: Readonly<Record<string, string>>) => {
    const { contentType, body } = await get(path, params, microvms);
    expect(contentType).toBe("text/plain; version=0.0.4; charset=utf-8");
    return samplesOf(body, "flintlock_machine_running").map(({ labels }) => labels["uid"]);
  };
  const [web, db, other, web2] = uids;
  expect(await told("/machine", {})).toEqual([web, db, other, web2]);
  expect(await told("/machine/{namespace}", { namespace: "a" })).toEqual([web, db, web2]);
  expect(await told("/machine/{namespace}/{name}", { namespace: "a", name: "web" })).toEqual([web, web2]);
  expect(await told("/machine/uid/{uid}", { uid: web ?? "" })).toEqual([web]);
  expect(await told("/machine/{namespace}", { namespace: "nobody" })).toEqual([]);
});

test("a uid of no microVM is not found", async () => {
  const { microvms } = await setUp([]);
  for (const uid of ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "x", ""]) {
    await expect(get("/machine/uid/{uid}", { uid }, microvms)).rejects.toMatchObject({ code: "not_found" });
  }
});

test("one machine that fails does not hide the others", async () => {
  const { world, microvms, uids } = await setUp([
    ["a", "well"],
    ["a", "ill"],
  ]);
  world.provider.script.metrics = async ({ uid }) => {
    if (uid === uids[1]) throw new FlintlockError("unavailable", "QEMU does not answer");
    return [number("resident_bytes", 5)];
  };
  const { body } = await get("/machine", {}, microvms);
  expect(samplesOf(body, "vmm_process_resident_bytes").map(({ labels }) => labels["name"])).toEqual(["well"]);
  const errors = samplesOf(body, "flintlock_machine_scrape_error");
  expect(errors.map(({ labels, value }) => [labels["name"], value])).toEqual([
    ["well", 0],
    ["ill", 1],
  ]);
});

test("the page of all metrics tells what the VMMs of the caller's microVMs take, in base units", async () => {
  const { world, microvms } = await setUp([
    ["a", "web"],
    ["b", "web"],
  ]);
  world.provider.script.metrics = async ({ uid }) => {
    if (uid.endsWith("1")) throw new Error("no");
    return [number("cpu_milliseconds", 1500), number("resident_bytes", 7), number("threads", 3)];
  };
  const { body } = await get("/metrics", {}, microvms);
  expect(parseExposition(body).flatMap(lint)).toEqual([]);
  expect(samplesOf(body, "host_wide")).toHaveLength(1);
  expect(samplesOf(body, "flintlock_microvms").map(({ labels, value }) => [labels, value])).toEqual([
    [{ namespace: "a", state: "created" }, 1],
    [{ namespace: "b", state: "created" }, 1],
  ]);
  expect(
    samplesOf(body, "flintlock_vmm_cpu_seconds_total").map(({ labels, value }) => [
      labels["namespace"],
      value,
    ]),
  ).toEqual([["b", 1.5]]);
  expect(
    samplesOf(body, "flintlock_vmm_unmeasured").map(({ labels, value }) => [labels["reason"], value]),
  ).toEqual([
    ["error", 1],
    ["limit", 0],
  ]);
});

test("the page stays bounded: the hundred and first namespace, and the thousand and first VMM, are counted only", async () => {
  const { microvms } = await setUp([["a", "web"]]);
  const [one] = await microvms.list({ namespace: "", name: undefined, labels: {} });
  if (one === undefined) throw new Error("no microVM");
  const many = Array.from({ length: 1_200 }, (_, index) => ({ ...one, namespace: `n${index % 150}` }));
  const asked: number[] = [];
  const families = await microvmFamilies(
    {
      microvms: {
        ...microvms,
        list: async () => many,
        measure: async (uids) => {
          asked.push(uids.length);
          return [];
        },
      },
    },
    signal,
  );
  expect(asked).toEqual([1_000]);
  const [states] = families;
  expect(states?.samples).toHaveLength(101);
  expect(states?.samples.at(-1)).toEqual({ labels: { namespace: "(other)", state: "created" }, value: 400 });
  expect(families.at(-1)?.samples[1]).toEqual({ labels: { reason: "limit" }, value: 200 });
});
