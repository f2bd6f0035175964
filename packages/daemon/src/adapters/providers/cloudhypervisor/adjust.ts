/** Changing a machine that runs, over Cloud Hypervisor's API (its docs/hotplug.md); it has no way to change limits. */
import { FlintlockError, type Machine } from "@flintlock/core";
import type { Adjusters } from "../shared/vmm-driver.ts";
import { diskIds, resizeDisk, resizeVm } from "./vm-api.ts";

const MIB = 1024 * 1024;

export const cloudHypervisorAdjusters: Adjusters = {
  async diskMib(machine, _vmm, signal) {
    const ids = await diskIds(machine.directory, signal);
    for (const [index, { volumeId }] of machine.disks.entries()) {
      const mib = machine.diskMib?.[volumeId];
      if (mib === undefined) continue;
      const id = ids[index];
      if (id === undefined)
        throw new FlintlockError("provider_failed", `Cloud Hypervisor knows no disk ${index}`);
      await resizeDisk(machine.directory, { id, desired_size: mib * MIB }, signal);
    }
  },

  balloonMib: ({ directory, balloonMib = 0 }: Machine, _vmm, signal) =>
    resizeVm(directory, { desired_balloon: balloonMib * MIB }, signal),

  vcpu: ({ directory, vcpu }, _vmm, signal) => resizeVm(directory, { desired_vcpus: vcpu }, signal),

  memoryMib: ({ directory, memoryMib }, _vmm, signal) =>
    resizeVm(directory, { desired_ram: memoryMib * MIB }, signal),
};
