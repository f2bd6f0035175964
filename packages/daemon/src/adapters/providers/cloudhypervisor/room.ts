/**
 * What a machine is prepared to be given while it runs (Cloud Hypervisor: docs/hotplug.md). Places for processors cost a guest
 * some ten KiB each, addresses for memory nothing.
 */
import type { Machine, Room } from "@flintlock/core";

/** So many processors at least, or so many times those that it begins with */
const MIN_PLACES = 8;
const PLACES_FOR_EACH = 4;
/** A memory block of Linux on x86 */
const STEP_MIB = 128;

/** Pure. Memory may become the host's at most. */
export const roomOf = (
  { vcpu, memoryMib }: Pick<Machine, "vcpu" | "memoryMib">,
  { maxVcpu, hostMemoryMib }: { readonly maxVcpu: number; readonly hostMemoryMib: number },
): Room => {
  const steps = Math.max(0, Math.floor((hostMemoryMib - memoryMib) / STEP_MIB));
  return {
    vcpu: Math.max(vcpu, Math.min(maxVcpu, Math.max(MIN_PLACES, vcpu * PLACES_FOR_EACH))),
    memoryMib: memoryMib + steps * STEP_MIB,
    memoryStepMib: STEP_MIB,
  };
};
