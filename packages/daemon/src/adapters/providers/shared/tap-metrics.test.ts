import { expect, test } from "vitest";
import { tapMetrics } from "./tap-metrics.ts";

test("a device's counters are told from the guest's side; of no device, and of a path, there are none", async () => {
  // Every Linux host has it, and what it sends it receives.
  const metrics = await tapMetrics("eth1", "lo");
  expect(metrics.map(({ key }) => key)).toEqual([
    "rx_bytes_count",
    "rx_packets_count",
    "rx_fails",
    "tx_bytes_count",
    "tx_packets_count",
    "tx_fails",
  ]);
  expect(metrics.every(({ group, value }) => group === "net_eth1" && Number.isInteger(value))).toBe(true);
  expect(await tapMetrics("eth1", "nosuchdevice0")).toEqual([]);
  for (const bad of ["../../../proc/1", "", ".", "lo/../lo", "a".repeat(16)]) {
    expect(await tapMetrics("eth1", bad)).toEqual([]);
  }
});
