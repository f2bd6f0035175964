/**
 * Images of a `docker save` archive: `manifest.json` with Config, RepoTags and Layers. It has no manifest in
 * OCI's sense, so one is written for it, the same for the same content.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type Digest, FlintlockError, type OciReference, parseReference } from "@flintlock/core";
import { decompress } from "../disk/decompress.ts";
import { OCI_CONFIG, OCI_LAYER, OCI_MANIFEST } from "../media-types.ts";
import type { Spooled } from "../store/blobs.ts";
import { checkLayerCount, parseImageConfig } from "../store/image-config.ts";
import { digestOfHex } from "../store/layout.ts";
import { MAX_CONFIG_BYTES, MAX_LAYERS, MAX_MANIFEST_BYTES } from "../store/manifest.ts";
import { arrayOf, badData, objectOf, parseJson, shown, stringOf } from "../untrusted-json.ts";
import type { ArchiveFiles } from "./archive-files.ts";
import { compressionOf, readStart } from "./compression.ts";
import { chooseUnnamed } from "./names.ts";

const MANIFEST_FILE = "manifest.json";
const MAX_IMAGES = 256;
const MAX_TAGS = 256;
const MAX_PATH = 4096;
const READ_BYTES = 1024 * 1024;

/** One image of `manifest.json`, not yet checked against its files. */
export interface SavedImage {
  readonly config: string;
  readonly repoTags: readonly OciReference[];
  readonly layers: readonly string[];
}

/** An image whose files were verified; `files` are to be imported before the manifest counts. */
export interface AssembledImage {
  readonly references: readonly OciReference[];
  readonly manifestBytes: Uint8Array;
  readonly files: readonly Spooled[];
}

/** Undefined when there is no `manifest.json`. @throws FlintlockError `data_loss`, `invalid_spec` – a bad one */
export const readSavedImages = async (files: ArchiveFiles): Promise<readonly SavedImage[] | undefined> => {
  const bytes = await files.read(MANIFEST_FILE, MAX_MANIFEST_BYTES);
  return bytes === undefined ? undefined : parseSavedImages(bytes);
};

export const parseSavedImages = (bytes: Uint8Array): readonly SavedImage[] =>
  arrayOf(parseJson(bytes, MANIFEST_FILE), MAX_IMAGES, MANIFEST_FILE).map((item) => {
    const image = objectOf(item, `${MANIFEST_FILE}'s item`);
    return {
      config: stringOf(image["Config"], MAX_PATH, `${MANIFEST_FILE}: Config`),
      repoTags: arrayOf(image["RepoTags"], MAX_TAGS, `${MANIFEST_FILE}: RepoTags`).map((tag) =>
        parseReference(stringOf(tag, MAX_PATH, `${MANIFEST_FILE}: RepoTags`), "RepoTags"),
      ),
      layers: arrayOf(image["Layers"], MAX_LAYERS, `${MANIFEST_FILE}: Layers`).map((layer) =>
        stringOf(layer, MAX_PATH, `${MANIFEST_FILE}: Layers`),
      ),
    };
  });

/** Pairs images with references: their own tags, else the caller's. @throws FlintlockError `invalid_spec` */
export const nameSavedImages = (
  images: readonly SavedImage[],
  reference: OciReference | undefined,
): readonly { readonly image: SavedImage; readonly references: readonly OciReference[] }[] => {
  const named = images.filter(({ repoTags }) => repoTags.length > 0);
  const unnamed = images.filter(({ repoTags }) => repoTags.length === 0);
  const pairs = named.map((image) => ({ image, references: image.repoTags }));
  if (unnamed.length === 0 || (named.length > 0 && reference === undefined)) return pairs;
  const choice = chooseUnnamed(
    unnamed.map(() => undefined),
    reference,
  );
  const image = unnamed[choice.index];
  return image === undefined ? pairs : [...pairs, { image, references: [choice.reference] }];
};

/** Verifies configuration and layers and writes the manifest. @throws FlintlockError `data_loss` */
export const assemble = async (
  files: ArchiveFiles,
  { image, references }: { readonly image: SavedImage; readonly references: readonly OciReference[] },
  signal: AbortSignal,
): Promise<AssembledImage> => {
  const config = fileOf(files, image.config);
  // The name is the digest, in every version of docker: `<hex>.json` or `blobs/sha256/<hex>`.
  const named = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(image.config)?.[1];
  if (named !== undefined && digestOfHex(named) !== config.digest) {
    throw badData(`the archive's configuration ${shown(image.config)} does not match its digest`);
  }
  const parsed = parseImageConfig((await files.read(image.config, MAX_CONFIG_BYTES)) ?? new Uint8Array());
  checkLayerCount(image.layers.length, parsed);

  const layers: { readonly mediaType: string; readonly file: Spooled }[] = [];
  for (const [index, path] of image.layers.entries()) {
    const file = fileOf(files, path);
    layers.push({ file, mediaType: await verifyLayer(file, parsed.diffIds[index], signal) });
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, digest: config.digest, size: config.sizeBytes },
    layers: layers.map(({ mediaType, file }) => ({ mediaType, digest: file.digest, size: file.sizeBytes })),
  };
  return {
    references,
    manifestBytes: Buffer.from(JSON.stringify(manifest)),
    files: [config, ...layers.map(({ file }) => file)],
  };
};

/** Media type of a layer whose uncompressed bytes are those the configuration promises. */
const verifyLayer = async (
  { path, digest }: Spooled,
  diffId: Digest | undefined,
  signal: AbortSignal,
): Promise<string> => {
  const compression = compressionOf(await readStart(path));
  let content = digest;
  if (compression !== "none") {
    const hash = createHash("sha256");
    for await (const chunk of decompress(
      createReadStream(path, { highWaterMark: READ_BYTES }),
      compression,
    )) {
      signal.throwIfAborted();
      hash.update(chunk);
    }
    content = digestOfHex(hash.digest("hex"));
  }
  if (content !== diffId) {
    throw new FlintlockError(
      "data_loss",
      `a layer of the archive has digest ${content} instead of ${diffId}`,
    );
  }
  return compression === "none" ? OCI_LAYER : `${OCI_LAYER}+${compression}`;
};

const fileOf = (files: ArchiveFiles, path: string): Spooled => {
  const file = files.find(path);
  if (file === undefined) throw badData(`the archive lacks ${shown(path)}, which its ${MANIFEST_FILE} names`);
  return file;
};
