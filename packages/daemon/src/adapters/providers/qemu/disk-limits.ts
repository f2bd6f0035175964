/**
 * Ceilings of a disk: a filter above its node, fed by a group of its own (QEMU: docs/throttle.txt, qapi/block-core.json). It
 * is there without ceilings as well, so that a guest that runs can be given some.
 */
import type { RateLimits } from "@flintlock/core";

export interface DiskLimits {
  /** For `-object` */
  readonly group: object;
  /** What the disk's device stands on, called as `block` was */
  readonly block: Block;
}

export interface Block {
  readonly "node-name": string;
  readonly "read-only": boolean;
  readonly discard: string;
}

export const withDiskLimits = (block: Block, limits: RateLimits | undefined): DiskLimits => {
  const node = block["node-name"];
  const id = groupOf(node);
  const { diskBytesPerSecond, diskOpsPerSecond } = limits ?? {};
  const given = {
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
  return { group: { "qom-type": "throttle-group", id, limits: given }, block: filter };
};

export const groupOf = (node: string): string => `${node}-limits`;

/** All of them: what a group is not told stays as it was. 0 is none. */
export const ceilings = ({ diskBytesPerSecond = 0, diskOpsPerSecond = 0 }: RateLimits = {}): object => ({
  "bps-total": diskBytesPerSecond,
  "iops-total": diskOpsPerSecond,
});
