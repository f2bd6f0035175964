/** Ceilings of a disk: a filter above its node, fed by a group of its own (QEMU: docs/throttle.txt, qapi/block-core.json). */
import type { RateLimits } from "@flintlock/core";

export interface DiskLimits {
  /** For `-object`; absent when nothing is limited */
  readonly group: object | undefined;
  /** What the disk's device stands on, called as `block` was */
  readonly block: Block;
}

export interface Block {
  readonly "node-name": string;
  readonly "read-only": boolean;
  readonly discard: string;
}

export const withDiskLimits = (block: Block, limits: RateLimits | undefined): DiskLimits => {
  const { diskBytesPerSecond, diskOpsPerSecond } = limits ?? {};
  if (diskBytesPerSecond === undefined && diskOpsPerSecond === undefined) return { group: undefined, block };
  const node = block["node-name"];
  const id = `${node}-limits`;
  const ceilings = {
    ...(diskBytesPerSecond !== undefined && { "bps-total": diskBytesPerSecond }),
    ...(diskOpsPerSecond !== undefined && { "iops-total": diskOpsPerSecond }),
  };
  const filter = {
    driver: "throttle",
    "node-name": node,
    "throttle-group": id,
    "read-only": block["read-only"],
    discard: block.discard,
    file: { ...block, "node-name": `${node}-open` },
  };
  return { group: { "qom-type": "throttle-group", id, limits: ceilings }, block: filter };
};
