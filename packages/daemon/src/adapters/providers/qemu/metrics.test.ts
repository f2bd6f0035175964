import fc from "fast-check";
import { expect, test } from "vitest";
import { blockMetrics, memoryMetrics, vcpuMetrics } from "./metrics.ts";

const stats = { rd_bytes: 64512, wr_bytes: 1024, rd_operations: 20, timed_stats: [], account_failed: true };

test("a volume's counters go by its id, whatever else QEMU counts", () => {
  const answer = [
    { "node-name": "#block181", stats },
    { "node-name": "disk1", stats: { rd_bytes: 7 } },
    { "node-name": "disk0", device: "", stats, backing: { stats } },
  ];
  const values = blockMetrics(answer, ["root", "data"]).map(({ group, key, value }) => [group, key, value]);
  expect(values).toEqual([
    ["block_root", "read_bytes", 64512],
    ["block_root", "write_bytes", 1024],
    ["block_root", "read_count", 20],
    ["block_data", "read_bytes", 7],
  ]);
});

test("the guest's memory is told", () => {
  expect(memoryMetrics({ "base-memory": 134217728 })).toMatchObject([{ group: "memory", value: 134217728 }]);
});

test("a processor's time is its thread's, if that is the VMM's", async () => {
  const answer = [
    { "cpu-index": 0, "thread-id": process.pid },
    { "cpu-index": 1, "thread-id": 1 },
    { "cpu-index": 2, "thread-id": "../../1" },
    { "cpu-index": 1e9, "thread-id": process.pid },
  ];
  expect((await vcpuMetrics(answer, process.pid)).map(({ group }) => group)).toEqual(["vcpu_0"]);
});

test("whatever QEMU answers, it is integers or nothing", async () => {
  const keys = fc.constantFrom("node-name", "stats", "rd_bytes", "cpu-index", "thread-id", "base-memory");
  const anything = fc.oneof(
    fc.anything(),
    fc.array(fc.dictionary(keys, fc.oneof(fc.anything(), fc.dictionary(keys, fc.anything())))),
  );
  await fc.assert(
    fc.asyncProperty(anything, async (answer) => {
      const metrics = [
        ...blockMetrics(answer, ["root"]),
        ...memoryMetrics(answer),
        ...(await vcpuMetrics(answer, process.pid)),
      ];
      expect(metrics.every(({ value }) => Number.isInteger(value) && value >= 0)).toBe(true);
    }),
  );
});
