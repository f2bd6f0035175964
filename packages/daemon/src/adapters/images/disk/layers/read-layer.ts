import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { FlintlockError } from "@flintlock/core";
import type { LayerBlob } from "../../image-disks.ts";
import { layerCompression } from "../../media-types.ts";
import { decompress } from "../decompress.ts";
import { readTar } from "../tar/read-tar.ts";
import type { TarEntry } from "../tar/tar-entry.ts";

const READ_BYTES = 1024 * 1024;

/**
 * The entries of a layer. Whoever reads to the end knows that the archive is the one its image promises.
 * @throws FlintlockError `data_loss` – the archive's digest is not the layer's diffId, or it is damaged
 */
export async function* readLayer(
  layer: LayerBlob,
  signal: AbortSignal,
): AsyncGenerator<TarEntry, void, undefined> {
  const hash = createHash("sha256");
  const blob = createReadStream(layer.path, { highWaterMark: READ_BYTES, signal });
  const archive = decompress(blob, layerCompression(layer.mediaType));
  const hashed = async function* () {
    for await (const chunk of archive) {
      hash.update(chunk);
      yield chunk;
    }
  };
  yield* readTar(hashed(), signal);
  const found = `sha256:${hash.digest("hex")}`;
  if (found !== layer.diffId) {
    throw new FlintlockError(
      "data_loss",
      `layer ${layer.digest} unpacks to ${found}, not to ${layer.diffId}`,
      {
        hint: "The image contradicts itself: its configuration names other layers than its manifest.",
      },
    );
  }
}
