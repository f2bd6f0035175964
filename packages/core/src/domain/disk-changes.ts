/** What a change makes of the sizes of a microVM's volumes: they grow, and never shrink. */
import { VOLUME_FIELDS } from "./device-fields.ts";
import { invalidField } from "./errors.ts";
import type { MicroVMSpec, Volume } from "./microvm.ts";
import { parseEach } from "./violations.ts";

export interface DiskChanges {
  /** Of the root volume, in MiB; 0 = as it is */
  readonly diskInMb: number;
  /** Of further volumes, in MiB */
  readonly volumeSizes: readonly { readonly id: string; readonly sizeInMb: number }[];
}

/** `sizes`: bytes by volume id, of the disks that there are. */
export const grownVolumes = (
  spec: MicroVMSpec,
  { diskInMb, volumeSizes }: DiskChanges,
  sizes: ReadonlyMap<string, number>,
): Pick<MicroVMSpec, "rootVolume" | "additionalVolumes"> => {
  const wanted = new Map<string, { readonly field: string; readonly mib: number }>();
  if (diskInMb !== 0) {
    const root = spec.rootVolume;
    if (root === undefined) throw invalidField("disk_in_mb", "it has no root volume");
    wanted.set(root.id, { field: "disk_in_mb", mib: diskInMb });
  }
  const ids = [spec.rootVolume, ...spec.additionalVolumes].flatMap((volume) => volume?.id ?? []);
  parseEach(volumeSizes, ({ id, sizeInMb: mib }, index) => {
    const field = `volume_sizes[${index}]`;
    if (!ids.includes(id)) {
      throw invalidField(`${field}.id`, `there is no such volume; it has ${ids.join(", ") || "none"}`);
    }
    if (wanted.has(id)) throw invalidField(`${field}.id`, `the size of ${id} is asked for twice`);
    wanted.set(id, { field: `${field}.size_in_mb`, mib });
  });
  const grow = (volume: Volume): Volume => {
    const wish = wanted.get(volume.id);
    return wish === undefined ? volume : grown(volume, wish, sizes.get(volume.id));
  };
  const volumes = parseEach([...(spec.rootVolume ? [spec.rootVolume] : []), ...spec.additionalVolumes], grow);
  const rootVolume = spec.rootVolume && volumes[0];
  return { rootVolume, additionalVolumes: rootVolume === undefined ? volumes : volumes.slice(1) };
};

const MIB = 1024 * 1024;

const grown = (
  volume: Volume,
  { field, mib }: { readonly field: string; readonly mib: number },
  sizeBytes: number | undefined,
): Volume => {
  const { min, max } = VOLUME_FIELDS.size_in_mb;
  if (!Number.isInteger(mib) || mib < min || mib > max) {
    throw invalidField(field, `${mib} is out of range: must be ${min} to ${max}`);
  }
  if (volume.source.kind !== "image") throw invalidField(field, "it is a directory of the host, not a disk");
  if (volume.isReadOnly)
    throw invalidField(field, `volume ${volume.id} is read-only: nothing could use the room`);
  if (volume.partitionId !== undefined) {
    throw invalidField(field, `volume ${volume.id} is a partition of its disk, and cannot grow`);
  }
  const madeMib = sizeBytes === undefined ? volume.sizeMib : Math.ceil(sizeBytes / MIB);
  const hasMib = Math.max(madeMib ?? 0, volume.grownToMib ?? 0);
  if (mib === hasMib) return volume;
  if (mib > hasMib) return { ...volume, grownToMib: mib };
  throw invalidField(
    field,
    `${mib} MiB is less than the ${hasMib} MiB that volume ${volume.id} has; it can only grow`,
  );
};
