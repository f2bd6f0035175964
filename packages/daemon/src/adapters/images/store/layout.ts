/**
 * Where things lie under the store's root. Every name is a function of a digest, so no word of an image,
 * an archive or a registry is ever part of a path.
 *
 * ```text
 * blobs/sha256/<hex>               manifests, configurations, layers; complete and verified
 * refs/<sha256 of reference>.json  reference -> manifest digest
 * origins/<manifest hex>.json      which repository a manifest came from, for when its tag has moved on
 * disks/<manifest hex>-<MiB|default>.raw
 * files/<manifest hex>/<sha256 of path>
 * ingest/sha256-<hex>.partial      an unfinished download, resumed by the next one
 * ingest/<anything else>           temporary; removed at start
 * ```
 *
 * INVARIANT: one process uses a root at a time (the daemon's state lock sees to it).
 */
import { createHash } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Digest, OciReference } from "@flintlock/core";
import { ensureDirectory } from "./durable-file.ts";

export class StoreLayout {
  readonly root: string;
  readonly blobs: string;
  readonly references: string;
  readonly origins: string;
  readonly disks: string;
  readonly files: string;
  readonly ingest: string;

  private constructor(root: string) {
    this.root = root;
    this.blobs = join(root, "blobs", "sha256");
    this.references = join(root, "refs");
    this.origins = join(root, "origins");
    this.disks = join(root, "disks");
    this.files = join(root, "files");
    this.ingest = join(root, "ingest");
  }

  /** Makes the folders exist and sweeps what a crash left half done. */
  static async open(root: string): Promise<StoreLayout> {
    const layout = new StoreLayout(root);
    const { blobs, references, origins, disks, files, ingest } = layout;
    for (const folder of [blobs, references, origins, disks, files, ingest]) await ensureDirectory(folder);
    for (const name of await readdir(ingest)) {
      if (!PARTIAL.test(name)) await rm(join(ingest, name), { recursive: true, force: true });
    }
    return layout;
  }

  blob(digest: Digest): string {
    return join(this.blobs, hexOf(digest));
  }

  reference(reference: OciReference): string {
    return join(this.references, `${sha256Hex(reference)}.json`);
  }

  origin(manifest: Digest): string {
    return join(this.origins, `${hexOf(manifest)}.json`);
  }

  disk(manifest: Digest, sizeMib: number | undefined): string {
    return join(this.disks, `${hexOf(manifest)}-${sizeMib ?? "default"}.raw`);
  }

  filesOf(manifest: Digest): string {
    return join(this.files, hexOf(manifest));
  }

  file(manifest: Digest, path: string): string {
    return join(this.filesOf(manifest), sha256Hex(path));
  }

  partial(digest: Digest): string {
    return join(this.ingest, `sha256-${hexOf(digest)}.partial`);
  }
}

const PARTIAL = /^sha256-([0-9a-f]{64})\.partial$/;

/** The digest a partial download is for; undefined for any other name. */
export const partialDigest = (name: string): Digest | undefined => {
  const hex = PARTIAL.exec(name)?.[1];
  return hex === undefined ? undefined : digestOfHex(hex);
};

export const hexOf = (digest: Digest): string => digest.slice("sha256:".length);

export const digestOfHex = (hex: string): Digest => `sha256:${hex}` as Digest;

export const digestOf = (bytes: Uint8Array): Digest =>
  digestOfHex(createHash("sha256").update(bytes).digest("hex"));

const sha256Hex = (text: string): string => createHash("sha256").update(text).digest("hex");
