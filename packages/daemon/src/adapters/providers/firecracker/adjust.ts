/** Changing a machine that runs, over Firecracker's API (its docs/api_requests/patch-*.md). */
import { open } from "node:fs/promises";
import type { Machine } from "@flintlock/core";
import { askVmm } from "../shared/vmm-api.ts";
import type { Adjusters } from "../shared/vmm-driver.ts";
import { API_SOCKET } from "./files.ts";
import { changedLimiter, type MachinePaths, volumeDrives } from "./requests.ts";

const MIB = 1024 * 1024;

/** `pathsOf`: what a machine's files are called where its VMM runs. */
export const firecrackerAdjusters = (
  pathsOf: (machine: Machine) => Pick<MachinePaths, "disk">,
): Adjusters => ({
  async limits(machine, _vmm, signal) {
    const { networkBytesPerSecond, diskBytesPerSecond, diskOpsPerSecond } = machine.limits ?? {};
    const ofDisks = changedLimiter(diskBytesPerSecond, diskOpsPerSecond);
    for (const { driveId } of volumeDrives(machine, pathsOf(machine))) {
      const body = { drive_id: driveId, rate_limiter: ofDisks };
      await patch(machine, `/drives/${driveId}`, body, signal);
    }
    const oneWay = changedLimiter(networkBytesPerSecond);
    for (const { deviceId } of machine.interfaces) {
      const body = { iface_id: deviceId, rx_rate_limiter: oneWay, tx_rate_limiter: oneWay };
      await patch(machine, `/network-interfaces/${deviceId}`, body, signal);
    }
  },

  async balloonMib(machine, _vmm, signal) {
    await patch(machine, "/balloon", { amount_mib: machine.balloonMib ?? 0 }, signal);
  },

  async diskMib(machine, _vmm, signal) {
    for (const { volumeId, file, driveId, path } of volumeDrives(machine, pathsOf(machine))) {
      const mib = machine.diskMib?.[volumeId];
      if (mib === undefined) continue;
      await growFile(file, mib * MIB);
      // It looks at the file's length when it is told where the file is, and tells the guest.
      await patch(machine, `/drives/${driveId}`, { drive_id: driveId, path_on_host: path }, signal);
    }
  },
});

/** It does not do it itself. A hole at the end; a file that is longer stays so. */
const growFile = async (path: string, bytes: number): Promise<void> => {
  await using file = await open(path, "r+");
  if ((await file.stat()).size < bytes) await file.truncate(bytes);
  await file.sync();
};

const patch = async (
  { directory }: Machine,
  path: string,
  body: object,
  signal: AbortSignal,
): Promise<void> => {
  await askVmm(directory, API_SOCKET, { method: "PATCH", path, body }, signal);
};
