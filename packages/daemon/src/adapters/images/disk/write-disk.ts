import { createHash } from "node:crypto";
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync } from "node:fs";
import { FlintlockError, invalidField, VOLUME_FIELDS } from "@flintlock/core";
import type { LayerBlob } from "../image-disks.ts";
import { DiskFull } from "./ext4/block-allocator.ts";
import { makeEmptyFilesystem } from "./ext4/empty-filesystem.ts";
import type { Extents } from "./ext4/extents.ts";
import { Ext4Filesystem } from "./ext4/filesystem.ts";
import { BLOCK_SIZE } from "./ext4/layout.ts";
import { mergeEntry } from "./layers/merge-entry.ts";
import { readLayer } from "./layers/read-layer.ts";
import { FileTree } from "./layers/tree.ts";

/** Virtual size of a disk when nobody asks for one; the file is sparse, so only the content takes room. */
export const DEFAULT_SIZE_MIB = 10 * 1024;
/** Less is no file system worth the name; the most is also how far a disk grows to fit its image. */
export const { min: MIN_SIZE_MIB, max: MAX_SIZE_MIB } = VOLUME_FIELDS.size_in_mb;
const MIB = 1024 * 1024;

/**
 * Writes an ext4 image of the merged layers over the existing, empty file `target`, and syncs it.
 * Without `sizeMib` the disk has `DEFAULT_SIZE_MIB`, doubled as often as the image needs.
 * @throws FlintlockError `invalid_spec` – the image does not fit in `sizeMib`; `data_loss` – a layer is damaged
 *   or not the promised one; `exhausted` – it is larger than any disk
 */
export const writeDisk = async (
  layers: readonly LayerBlob[],
  target: string,
  sizeMib: number | undefined,
  signal: AbortSignal,
): Promise<{ readonly sizeBytes: number }> => {
  if (sizeMib !== undefined) checkSize(sizeMib);
  for (let size = sizeMib ?? DEFAULT_SIZE_MIB; ; size *= 2) {
    try {
      return await writeOnce(layers, target, size, signal);
    } catch (error) {
      if (!(error instanceof DiskFull)) throw error;
      if (sizeMib !== undefined) throw tooSmall(sizeMib, await estimateSizeMib(layers, signal));
      if (size * 2 > MAX_SIZE_MIB) {
        throw new FlintlockError("exhausted", `the image needs a disk over ${MAX_SIZE_MIB} MiB`);
      }
    }
  }
};

const writeOnce = async (
  layers: readonly LayerBlob[],
  target: string,
  sizeMib: number,
  signal: AbortSignal,
): Promise<{ readonly sizeBytes: number }> => {
  const fd = openSync(target, "r+");
  try {
    // From nothing: what is not written must be a hole, also when the disk before was too small.
    ftruncateSync(fd, 0);
    ftruncateSync(fd, sizeMib * MIB);
    await makeEmptyFilesystem(fd, { sizeMib, uuid: uuidOf(layers, sizeMib) }, signal);
    const filesystem = new Ext4Filesystem(fd);
    const tree = new FileTree<Extents>((extents) => filesystem.releaseFile(extents));
    for (const layer of layers) {
      tree.beginLayer();
      for await (const entry of readLayer(layer, signal)) {
        await mergeEntry(tree, entry, ({ body }) => filesystem.writeFile(body));
      }
    }
    filesystem.finish(tree);
    fsyncSync(fd);
    return { sizeBytes: fstatSync(fd).size };
  } finally {
    closeSync(fd);
  }
};

/** One for each stack of layers and size, in the form of a version 8 UUID (RFC 9562). */
const uuidOf = (layers: readonly LayerBlob[], sizeMib: number): string => {
  const hash = createHash("sha256").update(`${sizeMib}\n${layers.map((layer) => layer.diffId).join("\n")}`);
  const hex = hash.digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
};

/** Roughly the size that would do: read again without writing, for the disk that was full ended half way. */
const estimateSizeMib = async (layers: readonly LayerBlob[], signal: AbortSignal): Promise<number> => {
  let blocks = 0;
  let names = 0;
  const tree = new FileTree<number>((released) => {
    blocks -= released;
  });
  for (const layer of layers) {
    tree.beginLayer();
    for await (const entry of readLayer(layer, signal)) {
      names++;
      await mergeEntry(tree, entry, async ({ size }) => {
        const taken = Math.ceil(size / BLOCK_SIZE);
        blocks += taken;
        return taken;
      });
    }
  }
  // A tenth for metadata, an inode per 4 KiB on the disks this is asked for, and a journal.
  const bytes = Math.max(blocks * BLOCK_SIZE * 1.1 + names * 512, names * 4096 * 1.05) + 8 * MIB;
  return Math.ceil(bytes / MIB);
};

const checkSize = (sizeMib: number): void => {
  if (Number.isInteger(sizeMib) && sizeMib >= MIN_SIZE_MIB && sizeMib <= MAX_SIZE_MIB) return;
  throw invalidField(
    "size_in_mb",
    `must be a whole number from ${MIN_SIZE_MIB} to ${MAX_SIZE_MIB}, not ${sizeMib}`,
  );
};

const tooSmall = (sizeMib: number, wouldDo: number): FlintlockError =>
  invalidField(
    "size_in_mb",
    `the image does not fit in ${sizeMib} MiB; about ${Math.max(wouldDo, sizeMib + 1)} would do`,
  );
