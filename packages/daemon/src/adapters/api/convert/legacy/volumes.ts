/** The first API has one list of volumes, of which one is the root; the core has a root and the others. */
import type { legacyTypes } from "@flintlock/api";
import { invalidField } from "@flintlock/core";

export interface SplitVolumes {
  readonly root: legacyTypes.Volume | undefined;
  readonly additional: readonly legacyTypes.Volume[];
  /** Place of the root in the request; undefined = there is none */
  readonly rootIndex: number | undefined;
  /** Places of the others */
  readonly additionalIndexes: readonly number[];
}

/** @throws FlintlockError `invalid_spec` – several roots, or none and no initrd */
export const splitVolumes = (volumes: readonly legacyTypes.Volume[], hasInitrd: boolean): SplitVolumes => {
  const places = volumes.map((volume, index) => ({ volume, index }));
  const [root, second] = places.filter(({ volume }) => volume.isRoot);
  if (second !== undefined) {
    throw invalidField(`volumes[${second.index}].is_root`, "is the second; only one volume can be the root");
  }
  if (root === undefined && !hasInitrd) {
    throw invalidField("volumes", "one must be the root (is_root), unless there is an initrd");
  }
  const additional = places.filter((place) => place !== root);
  return {
    root: root?.volume,
    rootIndex: root?.index,
    additional: additional.map(({ volume }) => volume),
    additionalIndexes: additional.map(({ index }) => index),
  };
};
