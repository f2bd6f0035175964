/** What a Cloud Hypervisor says, which may be its guest's by now. */
import { expect, test } from "vitest";
import { blockMetrics, deviceMetrics } from "./metrics.ts";
import { hasRebooted } from "./reboot-watch.ts";
import { isAtLeast, parseVersion } from "./version.ts";
import { parseInfo } from "./vm-api.ts";

test.each([
  ["cloud-hypervisor v53.0.0\n", { major: 53, minor: 0, text: "v53.0.0" }],
  ["cloud-hypervisor v41.0-dirty", { major: 41, minor: 0, text: "v41.0-dirty" }],
  ["cloud-hypervisor 50.1", { major: 50, minor: 1, text: "50.1" }],
  ["Firecracker v1.10.1", undefined],
  ["", undefined],
])("the version in %j", (output, version) => {
  expect(parseVersion(output)).toEqual(version);
});

test("a release is at least itself", () => {
  const version = { major: 50, minor: 1, text: "" };
  expect([49, 50, 51].map((major) => isAtLeast(version, major))).toEqual([true, true, false]);
  expect([0, 1, 2].map((minor) => isAtLeast(version, 50, minor))).toEqual([true, true, false]);
});

test("state and terminal of a VM; only a pseudo terminal is one", () => {
  const info = (serial: object, console: object) => ({ state: "Running", config: { serial, console } });
  const pty = (file: string) => ({ mode: "Pty", file });
  expect(parseInfo(info(pty("/dev/pts/7"), { mode: "Off" }))).toEqual({
    state: "Running",
    terminal: "/dev/pts/7",
  });
  expect(parseInfo(info({ mode: "Null" }, pty("/dev/pts/0"))).terminal).toBe("/dev/pts/0");
  for (const file of ["/dev/sda", "/dev/pts/ptmx", "/dev/pts/../tty", "/dev/pts/1/x"]) {
    expect(parseInfo(info(pty(file), {})).terminal).toBeUndefined();
  }
  for (const answer of [undefined, null, 1, [], { state: "Odd", config: 1 }]) {
    expect(parseInfo(answer)).toEqual({ state: undefined, terminal: undefined });
  }
});

test("a restart is found among the events, however they are spaced", () => {
  const event = (source: string, event: string) =>
    JSON.stringify({ timestamp: { secs: 1, nanos: 2 }, source, event, properties: null }, undefined, 2);
  expect(hasRebooted(`${event("vm", "booted")}\n\n${event("vm", "rebooting")}\n\n`)).toBe(true);
  expect(hasRebooted(JSON.stringify({ source: "vm", event: "rebooting" }))).toBe(true);
  expect(hasRebooted(`${event("vm", "booted")}${event("vmm", "rebooting")}${event("vm", "shutdown")}`)).toBe(
    false,
  );
});

test("counters by volume, in the order of the disks' numbers, and by the VMM's own names", () => {
  const answer = {
    _disk10: { read_bytes: 10, write_bytes: 0, read_ops: 1, write_ops: 2, read_latency_min: 2 ** 64 },
    _disk2: { read_bytes: 2, write_bytes: 20, read_ops: 3, write_ops: "4" },
    _net3: { rx_bytes: 7 },
    "__../x": { y: 1 },
    "bad name": { z: 1 },
    nothing: 1,
  };
  const named = (metrics: readonly { group: string; key: string; value: number }[]) =>
    metrics.map(({ group, key, value }) => `${group}_${key}=${value}`);
  expect(named(blockMetrics(answer, ["root", "data", "absent"]))).toEqual([
    "block_root_read_bytes=2",
    "block_root_write_bytes=20",
    "block_root_read_count=3",
    "block_data_read_bytes=10",
    "block_data_write_bytes=0",
    "block_data_read_count=1",
    "block_data_write_count=2",
  ]);
  expect(named(deviceMetrics(answer))).toEqual([
    ..."read_bytes=10 write_bytes=0 read_ops=1 write_ops=2".split(" ").map((it) => `_disk10_${it}`),
    ..."read_bytes=2 write_bytes=20 read_ops=3".split(" ").map((it) => `_disk2_${it}`),
    "_net3_rx_bytes=7",
  ]);
  for (const bad of [undefined, null, [], "x", { _disk0: null }]) expect(deviceMetrics(bad)).toEqual([]);
});
