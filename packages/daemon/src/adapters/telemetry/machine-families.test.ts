import { FlintlockError, type MachineMetric, type MicroVMMeasurement } from "@flintlock/core";
import { expect, test } from "vitest";
import { renderFamilies } from "./exposition.ts";
import { machineFamilies } from "./machine-families.ts";
import { parseExposition } from "./testing/parse-exposition.ts";

const metric = (group: string, key: string, value: number): MachineMetric => ({
  group,
  key,
  value,
  kind: "counter",
  help: `Of ${group}`,
});

const measured = (
  uid: string,
  metrics: readonly MachineMetric[],
  error?: FlintlockError,
): MicroVMMeasurement => ({
  uid,
  namespace: "ns",
  id: "web",
  metrics,
  error,
});

const render = (all: readonly MicroVMMeasurement[]): string => renderFamilies(machineFamilies(all));

test("the shape is upstream's, with HELP and TYPE, in a stable order", () => {
  const text = render([
    measured("U2", [metric("net_eth1", "rx_bytes_count", 5), metric("block_root", "read_bytes", 3)]),
    measured("U1", [metric("block_root", "read_bytes", 4)]),
  ]);
  expect(text.split("\n").slice(8)).toEqual([
    "# HELP block_root_read_bytes Of block_root",
    "# TYPE block_root_read_bytes counter",
    'block_root_read_bytes{namespace="ns",name="web",uid="U2"} 3',
    'block_root_read_bytes{namespace="ns",name="web",uid="U1"} 4',
    "# HELP net_eth1_rx_bytes_count Of net_eth1",
    "# TYPE net_eth1_rx_bytes_count counter",
    'net_eth1_rx_bytes_count{namespace="ns",name="web",uid="U2"} 5',
    "",
  ]);
});

test("a machine that cannot be asked says so, one that does not run is no error, and neither hides another", () => {
  const text = render([
    measured("BAD", [], new FlintlockError("unavailable", "QEMU's control socket does not answer")),
    measured("OFF", []),
    measured("OK", [metric("g", "k", 1)]),
  ]);
  const labels = (uid: string) => `{namespace="ns",name="web",uid="${uid}"}`;
  for (const line of [
    `flintlock_machine_scrape_error${labels("BAD")} 1`,
    `flintlock_machine_scrape_error${labels("OFF")} 0`,
    `flintlock_machine_running${labels("BAD")} 0`,
    `flintlock_machine_running${labels("OK")} 1`,
    `g_k${labels("OK")} 1`,
  ]) {
    expect(text.split("\n")).toContain(line);
  }
});

test("names of others are made fit, never twice the same for one machine, and never ours", () => {
  const text = render([
    measured("U", [
      metric("block_a-b", "x", 1),
      metric("block_a_b", "x", 2),
      metric("block_a.b", "x", 3),
      metric("_disk0", "read_bytes", 4),
      metric("9lives", "left", 5),
      metric("flintlock_machine", "scrape_error", 6),
      metric('ev"il\n', "ke y", 7),
    ]),
  ]);
  const names = parseExposition(text).flatMap(({ name, samples }) =>
    samples.map(({ value }) => [name, value]),
  );
  expect(Object.fromEntries(names)).toEqual({
    flintlock_machine_running: 1,
    flintlock_machine_scrape_error: 0,
    _9lives_left: 5,
    _disk0_read_bytes: 4,
    block_a_b_2_x: 2,
    block_a_b_3_x: 3,
    block_a_b_x: 1,
    ev_il__ke_y: 7,
  });
});

test("of no machine at all there is nothing to tell", () => {
  expect(render([])).toBe("");
});
