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
  /**
   * Makes the disk of a volume that no VMM has open at least `sizeBytes` long; its file system is the guest's to grow.
   * One that is longer stays so.
   * @throws FlintlockError `not_found` – there is no such disk; `failed_precondition` – it is not the VM's own;
   *   `exhausted`
   */
  grow(directory: string, volumeId: string, sizeBytes: number, signal: AbortSignal): Promise<void>;
  /** Bytes that the guest sees, by id, of the volumes whose disk exists, complete, in `directory`. */
  observe(directory: string): Promise<ReadonlyMap<string, number>>;
}
