import { closeSync, fstatSync, fsyncSync, openSync, writeSync } from "node:fs";
import { FlintlockError, notFound } from "@flintlock/core";
import type { LayerBlob } from "../image-disks.ts";
import { mergeEntry } from "./layers/merge-entry.ts";
import { findNode } from "./layers/path.ts";
import { readLayer } from "./layers/read-layer.ts";
import { FileTree } from "./layers/tree.ts";
import { type TarEntry, textToBinary } from "./tar/tar-entry.ts";

/** Largest file taken out of an image: kernels and initial RAM disks are far smaller. */
export const MAX_FILE_BYTES = 1024 ** 3;

/** The place of a file's data: which layer, and which entry of it, both counted from 0. */
interface Origin {
  readonly layer: number;
  readonly entry: number;
}

/**
 * Writes the bytes of the regular file `path` leads to, inside the merged layers, over the existing, empty file
 * `target`, and syncs it. Reads all layers for the names, then the file's layer once more for its data.
 * @throws FlintlockError `not_found` – no such file; `exhausted` – larger than `MAX_FILE_BYTES`; `data_loss` – a
 *   layer is damaged or not the promised one
 */
export const extractFile = async (
  layers: readonly LayerBlob[],
  path: string,
  target: string,
  signal: AbortSignal,
): Promise<{ readonly sizeBytes: number }> => {
  const origin = await findOrigin(layers, path, signal);
  const layer = layers[origin.layer];
  if (layer === undefined) throw new Error("an origin names no layer");
  const fd = openSync(target, "r+");
  try {
    let index = 0;
    for await (const entry of readLayer(layer, signal)) {
      if (index++ === origin.entry) await writeBody(fd, entry);
    }
    fsyncSync(fd);
    return { sizeBytes: fstatSync(fd).size };
  } finally {
    closeSync(fd);
  }
};

const findOrigin = async (
  layers: readonly LayerBlob[],
  path: string,
  signal: AbortSignal,
): Promise<Origin> => {
  const tree = new FileTree<Origin>(() => {});
  for (const [layerIndex, layer] of layers.entries()) {
    tree.beginLayer();
    let index = 0;
    for await (const entry of readLayer(layer, signal)) {
      const origin = { layer: layerIndex, entry: index++ };
      await mergeEntry(tree, entry, async () => origin);
    }
  }
  const node = findNode(tree.root, textToBinary(path));
  if (node?.type !== "file") throw notFound(`file ${JSON.stringify(path)} of the image`);
  if (node.size > MAX_FILE_BYTES) {
    throw new FlintlockError(
      "exhausted",
      `file ${JSON.stringify(path)} is larger than ${MAX_FILE_BYTES} bytes`,
    );
  }
  return node.content;
};

const writeBody = async (fd: number, entry: TarEntry): Promise<void> => {
  for await (const chunk of entry.body) {
    for (let done = 0; done < chunk.length; ) done += writeSync(fd, chunk, done);
  }
};
