/** Limits of a jailed VMM, kept by the kernel: processors as many as the guest's, memory as much and what the VMM needs. */
import { rmdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Machine } from "@flintlock/core";

export type CgroupVersion = "1" | "2" | "none";

/** Beside the daemon's own */
const PARENT = "flintlock";
const ROOT = "/sys/fs/cgroup";
const PERIOD_US = 100_000;
/** Firecracker itself, its page tables, and the host's cache of the disks, which is counted to it and can be taken back */
const OVERHEAD_MIB = 128;
const V1_CONTROLLERS = ["cpu", "memory"] as const;
/** The kernel needs a moment to see that the last process is gone */
const RMDIR_ATTEMPTS = 20;
const RMDIR_WAIT_MS = 25;

/** For the jailer. */
export const cgroupArgs = ({ vcpu, memoryMib }: Machine, version: CgroupVersion): readonly string[] => {
  // Its default is 1, and it makes a cgroup for that one even without limits.
  if (version === "none") return ["--cgroup-version", "2", "--parent-cgroup", "none"];
  const quota = vcpu * PERIOD_US;
  const memory = (memoryMib + OVERHEAD_MIB) * 1024 * 1024;
  const limits =
    version === "2"
      ? [`cpu.max=${quota} ${PERIOD_US}`, `memory.max=${memory}`]
      : [`cpu.cfs_period_us=${PERIOD_US}`, `cpu.cfs_quota_us=${quota}`, `memory.limit_in_bytes=${memory}`];
  return [
    ...["--cgroup-version", version, "--parent-cgroup", PARENT],
    ...limits.flatMap((limit) => ["--cgroup", limit]),
  ];
};

/** Where the jailer makes them. */
export const cgroupsOf = (vmUid: string, version: CgroupVersion): readonly string[] => {
  if (version === "none") return [];
  if (version === "2") return [join(ROOT, PARENT, vmUid)];
  return V1_CONTROLLERS.map((controller) => join(ROOT, controller, PARENT, vmUid));
};

/** Of a VMM that has ended. Absent is success; so is one that the kernel holds on to, for it is empty. */
export const removeCgroups = async (paths: readonly string[]): Promise<void> => {
  for (const path of paths) {
    for (let attempt = 0; attempt < RMDIR_ATTEMPTS; attempt++) {
      if (await isRemoved(path)) break;
      await setTimeout(RMDIR_WAIT_MS);
    }
  }
};

const isRemoved = async (path: string): Promise<boolean> =>
  await rmdir(path).then(
    () => true,
    (error: unknown) => !(error instanceof Error && "code" in error && error.code === "EBUSY"),
  );
