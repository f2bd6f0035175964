/** Mark and sweep over content: references and what the caller keeps are the roots. */
import { lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, FlintlockError, type Log } from "@flintlock/core";
import type { BlobStore } from "./blobs.ts";
import { isMissing } from "./durable-file.ts";
import { readImage, type StoredImage } from "./images.ts";
import { digestOfHex, partialDigest } from "./layout.ts";
import type { Pins } from "./pins.ts";
import type { ReferenceStore } from "./references.ts";

const STAT_BLOCK_BYTES = 512;

export interface PruneParts {
  readonly blobs: BlobStore;
  readonly references: ReferenceStore;
  readonly pins: Pins;
  readonly log: Log;
}

/** Drops what no root leads to and returns the bytes of disk that this freed. */
export const prune = async (
  { blobs, references, pins, log }: PruneParts,
  keep: ReadonlySet<Digest>,
): Promise<number> =>
  pins.exclusively(async (pinned) => {
    const { layout } = blobs;
    const manifests = new Set([...keep, ...pinned]);
    for (const { digest } of await references.list()) manifests.add(digest);

    const reachable = new Set(pinned);
    for (const digest of manifests) {
      // Pinned digests are complete lists already, and most are layers.
      const image = pinned.has(digest) ? undefined : await readIfWhole(blobs, digest, log);
      reachable.add(digest);
      for (const needed of image === undefined ? [] : blobsOf(image)) reachable.add(needed);
    }

    let freed = 0;
    freed += await sweep(layout.blobs, (name) => HEX.test(name) && reachable.has(digestOfHex(name)));
    freed += await sweep(layout.disks, (name) => isOf(manifests, name));
    freed += await sweep(layout.files, (name) => isOf(manifests, name));
    freed += await sweep(layout.ingest, (name) => {
      const digest = partialDigest(name);
      // Other names belong to work in progress; a start sweeps those.
      return digest === undefined || pinned.has(digest);
    });
    await references.pruneOrigins(manifests);
    return freed;
  });

/** Every blob an image consists of, its manifest first. */
export const blobsOf = ({
  digest,
  manifest,
}: Pick<StoredImage, "digest" | "manifest">): readonly Digest[] => [
  digest,
  manifest.config.digest,
  ...manifest.layers.map((layer) => layer.digest),
];

/** A damaged image keeps nothing but its manifest: it cannot be used, and a pull fetches the rest again. */
const readIfWhole = async (blobs: BlobStore, digest: Digest, log: Log): Promise<StoredImage | undefined> => {
  try {
    return await readImage(blobs, digest);
  } catch (error) {
    const isDamaged = error instanceof FlintlockError && ["data_loss", "unsupported"].includes(error.code);
    if (!isDamaged) throw error;
    log.warn("stored image is damaged", { digest, error: error.message });
    return undefined;
  }
};

const HEX = /^[0-9a-f]{64}$/;

const isOf = (manifests: ReadonlySet<Digest>, name: string): boolean => {
  const hex = name.slice(0, 64);
  return HEX.test(hex) && manifests.has(digestOfHex(hex));
};

const sweep = async (folder: string, isKept: (name: string) => boolean): Promise<number> => {
  let freed = 0;
  for (const name of await readdir(folder)) {
    if (isKept(name)) continue;
    const path = join(folder, name);
    freed += await usedBytes(path);
    await rm(path, { recursive: true, force: true });
  }
  return freed;
};

/** Disk space, not length: base disks are sparse. */
const usedBytes = async (path: string): Promise<number> => {
  try {
    const { blocks } = await lstat(path);
    const inside = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw error;
    });
    let used = blocks * STAT_BLOCK_BYTES;
    for (const { name } of inside) used += await usedBytes(join(path, name));
    return used;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
};
