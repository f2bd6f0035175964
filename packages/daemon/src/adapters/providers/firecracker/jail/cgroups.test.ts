import type { Machine } from "@flintlock/core";
import { expect, test } from "vitest";
import { cgroupArgs, cgroupsOf, removeCgroups } from "./cgroups.ts";

const machine = { vcpu: 3, memoryMib: 1024 } as Machine;
const bytes = String((1024 + 128) * 1024 * 1024);

test("limits are the guest's, and what its VMM needs", () => {
  expect(cgroupArgs(machine, "2")).toEqual([
    ...["--cgroup-version", "2", "--parent-cgroup", "flintlock"],
    ...["--cgroup", "cpu.max=300000 100000", "--cgroup", `memory.max=${bytes}`],
  ]);
  expect(cgroupArgs(machine, "1")).toEqual([
    ...["--cgroup-version", "1", "--parent-cgroup", "flintlock"],
    ...["--cgroup", "cpu.cfs_period_us=100000", "--cgroup", "cpu.cfs_quota_us=300000"],
    ...["--cgroup", `memory.limit_in_bytes=${bytes}`],
  ]);
  expect(cgroupArgs(machine, "none")).not.toContain("--cgroup");
});

test("they are found where the jailer makes them, and their absence is no error", async () => {
  expect(cgroupsOf("U", "2")).toEqual(["/sys/fs/cgroup/flintlock/U"]);
  expect(cgroupsOf("U", "1")).toEqual([
    "/sys/fs/cgroup/cpu/flintlock/U",
    "/sys/fs/cgroup/memory/flintlock/U",
  ]);
  expect(cgroupsOf("U", "none")).toEqual([]);
  await removeCgroups(["/sys/fs/cgroup/flintlock/no-such-vm"]);
});
