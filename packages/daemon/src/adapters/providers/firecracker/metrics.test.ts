import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { type Uid, VMM_GROUP } from "@flintlock/core";
import { expect, test } from "vitest";
import { createKeyedLock } from "../shared/keyed-lock.ts";
import { readBootId, readStatSync } from "../shared/proc.ts";
import { addLine, createMetricsReader, metricsOf } from "./metrics.ts";
import { isStopped } from "./run-state.ts";

const line = (value: unknown): string => JSON.stringify(value);

test("counters are added up, levels are as the last line has them", () => {
  const totals = new Map<string, Map<string, number>>();
  for (const bytes of [100, 23]) {
    addLine(
      line({
        utc_timestamp_ms: 1,
        block_my_data_0: { read_bytes: bytes, read_agg: { sum_us: 1 } },
        latencies_us: { pause_vm: bytes },
        signals: { sigpipe: 1, sigbus: 0 },
      }),
      totals,
    );
  }
  const metrics = metricsOf(totals, { volumeIds: ["root"] });
  expect(metrics.map(({ group, key, value, kind }) => [group, key, value, kind])).toEqual([
    ["block_my_data_0", "read_bytes", 123, "counter"],
    ["latencies_us", "pause_vm", 23, "gauge"],
    ["signals", "sigpipe", 2, "counter"],
    ["signals", "sigbus", 0, "gauge"],
  ]);
});

test("a drive's numbers go by its volume's id", () => {
  const totals = new Map([["block_my_data_d4735e3a", new Map([["read_bytes", 1]])]]);
  const id = [...totals.keys()][0] ?? "";
  expect(metricsOf(totals, { volumeIds: [] })[0]?.group).toBe(id);
  const own = new Map([["block_root", new Map([["read_bytes", 1]])]]);
  expect(metricsOf(own, { volumeIds: ["root"] })[0]).toMatchObject({
    group: "block_root",
    help: "Bytes the guest has read from the volume",
  });
});

test("what is not Firecracker's is passed over, and there is an end to groups and keys", () => {
  const totals = new Map<string, Map<string, number>>();
  for (const text of [
    "",
    "{",
    "[1]",
    "null",
    "1",
    line({ a: 1, b: [1], c: { d: -1, e: 1.5, f: "1", g: 2 ** 60 } }),
  ]) {
    addLine(text, totals);
  }
  addLine(line({ "bad name": { x: 1 }, ok: { 'x"} 1\nfake': 1 } }), totals);
  expect(metricsOf(totals, { volumeIds: [] })).toEqual([]);
  addLine(`\0\0\0torn"}${line({})}`, totals);
  addLine(`\0\0\0${line({ vmm: { panic_count: 1 } })}`, totals);
  expect(totals.get("vmm")?.get("panic_count")).toBe(1);
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`g${n}`, { k: 1 }]));
  addLine(line(many), totals);
  expect(totals.size).toBe(256);
  addLine(line({ vmm: Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`k${n}`, 1])) }), totals);
  expect(totals.get("vmm")?.size).toBe(256);
});

test("a Firecracker that is stopped is not asked: only what its process takes is told, at once", async () => {
  const vmm = spawn("sleep", ["60"], { stdio: "ignore" });
  try {
    await once(vmm, "spawn");
    vmm.kill("SIGSTOP");
    const pid = vmm.pid ?? 0;
    await expect.poll(() => isStopped(pid)).toBe(true);
    const identity = { pid, startTime: readStatSync(pid)?.startTime ?? "", bootId: await readBootId() };
    // Without a socket: a question would fail.
    const machine = { uid: "u" as Uid, directory: tmpdir(), volumeIds: [], interfaces: [] };
    const reader = createMetricsReader(createKeyedLock());
    const told = await reader.read(machine, identity, "all", new AbortController().signal);
    expect(new Set(told.map(({ group }) => group))).toEqual(new Set([VMM_GROUP]));
  } finally {
    vmm.kill("SIGKILL");
  }
});
