/** Where the guest finds what a spec gives it: disk names, MACs. */
import type { MicroVMSpec, NetworkInterface, Volume } from "./microvm.ts";
import { deriveMac } from "./names.ts";
import { diskVolumesOf, volumesOf } from "./spec-parts.ts";
import type { Uid } from "./units.ts";

/** `vda`, `vdb`, … in the order of the disks; with its number where the volume is a partition. Undefined: no disk. */
export const guestDevice = (spec: MicroVMSpec, volume: Volume): string | undefined => {
  const index = diskVolumesOf(spec).indexOf(volume);
  if (index === -1) return undefined;
  const letter = String.fromCharCode("a".charCodeAt(0) + index);
  return `vd${letter}${volume.partitionId === undefined ? "" : "1"}`;
};

/** COMPAT: upstream knows one, and calls it `user`; the others go by the id of their volume. */
export const filesystemTag = (spec: MicroVMSpec, volume: Volume): string =>
  volume === volumesOf(spec).find(({ source }) => source.kind === "virtiofs") ? "user" : volume.id;

/** The caller's, or one that stays the same for as long as the microVM lives. */
export const macOf = (uid: Uid, { guestMac, deviceId }: NetworkInterface): string =>
  guestMac ?? deriveMac(uid, deviceId);
