/** Lists that several places need from a spec, each in one stable order. */
import type { MicroVMSpec, NetworkInterface, Volume } from "./microvm.ts";
import type { OciReference } from "./units.ts";

/** Root first, then the additional ones: guest device order. */
export const volumesOf = (spec: MicroVMSpec): readonly Volume[] =>
  spec.rootVolume === undefined ? spec.additionalVolumes : [spec.rootVolume, ...spec.additionalVolumes];

/** Those that are disks, in the guest's order: all but directories of the host. */
export const diskVolumesOf = (spec: MicroVMSpec): readonly Volume[] =>
  volumesOf(spec).filter(({ source }) => source.kind === "image");

/** Whether the guest has the one interface that the provider's user-mode network gives to whom names none. */
export const hasUserInterface = ({ interfaces, isOffline }: MicroVMSpec): boolean =>
  interfaces.length === 0 && isOffline !== true;

/** Interfaces with a host end of their own, in guest order. */
export const linkedInterfaces = (spec: MicroVMSpec): readonly NetworkInterface[] =>
  spec.interfaces.filter(({ isUserMode }) => !isUserMode);

/** Every image the spec names, once. */
export const imagesOf = (spec: MicroVMSpec): readonly OciReference[] => {
  const images = [spec.kernel.image, ...(spec.initrd === undefined ? [] : [spec.initrd.image])];
  for (const volume of volumesOf(spec)) {
    if (volume.source.kind === "image") images.push(volume.source.image);
  }
  return [...new Set(images)];
};
