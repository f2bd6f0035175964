/** The guest's name of its virtio disk number `index`, from 0: `vda` to `vdz`, then `vdaa` (kernel: block/virtio_blk.c). */
export const diskName = (index: number): string => {
  const letter = (at: number): string => String.fromCharCode("a".charCodeAt(0) + at);
  return `vd${index < 26 ? "" : letter(Math.floor(index / 26) - 1)}${letter(index % 26)}`;
};
