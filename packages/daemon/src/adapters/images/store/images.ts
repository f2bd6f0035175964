/** A stored image, read back from its blobs: they are the only truth, records merely lead to them. */
import { type Digest, FlintlockError, type Image, type OciReference } from "@flintlock/core";
import type { LayerBlob } from "../image-disks.ts";
import type { BlobStore } from "./blobs.ts";
import { checkLayerCount, parseImageConfig, type StoredConfig } from "./image-config.ts";
import { MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES, type Manifest, parseManifest } from "./manifest.ts";
import { platformText } from "./platform.ts";

export interface StoredImage {
  readonly digest: Digest;
  readonly manifest: Manifest;
  readonly config: StoredConfig;
}

/**
 * Reads manifest and configuration. Undefined when either is not stored.
 * @throws FlintlockError `data_loss` – damaged
 */
export const readImage = async (blobs: BlobStore, digest: Digest): Promise<StoredImage | undefined> => {
  const manifestBytes = await blobs.read(digest, MAX_MANIFEST_BYTES);
  if (manifestBytes === undefined) return undefined;
  const manifest = parseManifest(manifestBytes, "");
  if (manifest.kind !== "manifest") return undefined;
  const configBytes = await blobs.read(manifest.config.digest, MAX_CONFIG_BYTES);
  if (configBytes === undefined) return undefined;
  const config = parseImageConfig(configBytes);
  checkLayerCount(manifest.layers.length, config);
  return { digest, manifest, config };
};

/** Whether every layer is stored. */
export const isComplete = async (blobs: BlobStore, { manifest }: StoredImage): Promise<boolean> => {
  const present = await Promise.all(manifest.layers.map((layer) => blobs.has(layer)));
  return present.every(Boolean);
};

/** @throws FlintlockError `data_loss` – a layer is gone */
export const layerBlobs = async (blobs: BlobStore, image: StoredImage): Promise<readonly LayerBlob[]> => {
  checkLayerCount(image.manifest.layers.length, image.config);
  const layers: LayerBlob[] = [];
  for (const [index, layer] of image.manifest.layers.entries()) {
    const diffId = image.config.diffIds[index];
    if (diffId === undefined || !(await blobs.has(layer))) {
      throw new FlintlockError("data_loss", `layer ${layer.digest} of image ${image.digest} is missing`, {
        hint: "Pull the image again.",
      });
    }
    layers.push({ ...layer, diffId, path: blobs.layout.blob(layer.digest) });
  }
  return layers;
};

export const describeImage = (reference: OciReference, { digest, manifest, config }: StoredImage): Image => ({
  reference,
  digest,
  config: config.config,
  sizeBytes: manifest.layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  layers: manifest.layers.length,
  createdAt: config.createdAt,
  platform: platformText(config.platform),
});
