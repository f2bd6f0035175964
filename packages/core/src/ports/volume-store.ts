/** Per-VM disks: copy-on-write over an immutable base. They live in the VM's directory and die with it. */
import type { BaseDisk } from "./image-store.ts";

export type DiskFormat = "raw" | "qcow2";

export interface Disk {
  readonly path: string;
  readonly format: DiskFormat;
  readonly isReadOnly: boolean;
}

export interface VolumeWish {
  readonly format: DiskFormat;
  readonly isReadOnly: boolean;
  /** UUID, lower case */
  readonly partitionId?: string | undefined;
}

export interface VolumeStore {
  /**
   * Makes the VM's disk for one volume exist and returns it; an existing one is kept with its contents.
   * A read-only volume is the base itself. With a `partitionId` it is a copy of the base, as the one partition of a
   * disk with a partition table, and always raw.
   */
  ensure(
    directory: string,
    volumeId: string,
    base: BaseDisk,
    want: VolumeWish,
    signal: AbortSignal,
  ): Promise<Disk>;
  /** Ids of the volumes whose disk exists, complete, in `directory`. */
  observe(directory: string): Promise<ReadonlySet<string>>;
}
