/** Layers as files, and what an independent unpacker, umoci, makes of them. */
import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Digest } from "@flintlock/core";
import type { LayerBlob } from "../../../packages/daemon/src/adapters/images/image-disks.ts";
import { run, type Scratch } from "./host.ts";

const TAR = "application/vnd.oci.image.layer.v1.tar";

const sha256 = (bytes: Uint8Array): Digest =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}` as Digest;

let count = 0;

/** Writes the archive as a layer blob. */
export const writeLayer = async (
  scratch: Scratch,
  archive: Buffer,
  compression: "none" | "gzip" | "zstd" = "none",
): Promise<LayerBlob> => {
  const path = scratch.in(`layer-${count++}`);
  await writeFile(path, compression === "gzip" ? gzipSync(archive, { level: 1 }) : archive);
  if (compression === "zstd") {
    await run("zstd", "-q", "-1", "--rm", path, "-o", `${path}.zst`);
    await copyFile(`${path}.zst`, path);
  }
  const blob = await readFile(path);
  return {
    path,
    mediaType: compression === "none" ? TAR : `${TAR}+${compression}`,
    digest: sha256(blob),
    diffId: sha256(archive),
    sizeBytes: blob.length,
  };
};

/** A layer GNU tar makes of a directory. */
export const tarLayer = async (
  scratch: Scratch,
  directory: string,
  ...args: readonly string[]
): Promise<LayerBlob> => {
  const archive = scratch.in(`archive-${count++}.tar`);
  await run("tar", "-cf", archive, "--numeric-owner", ...args, "-C", directory, ".");
  return writeLayer(scratch, await readFile(archive));
};

/** Unpacks the layers with umoci, as root, and returns the path of the tree. */
export const unpackWithUmoci = async (scratch: Scratch, layers: readonly LayerBlob[]): Promise<string> => {
  const layout = scratch.in(`layout-${count++}`);
  const blobs = join(layout, "blobs/sha256");
  await mkdir(blobs, { recursive: true });
  const put = async (mediaType: string, value: unknown) => {
    const bytes = Buffer.from(JSON.stringify(value));
    await writeFile(join(blobs, sha256(bytes).slice(7)), bytes);
    return { mediaType, digest: sha256(bytes), size: bytes.length };
  };
  for (const layer of layers) await copyFile(layer.path, join(blobs, layer.digest.slice(7)));
  const config = await put("application/vnd.oci.image.config.v1+json", {
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
  });
  const manifest = await put("application/vnd.oci.image.manifest.v1+json", {
    schemaVersion: 2,
    config,
    layers: layers.map(({ mediaType, digest, sizeBytes }) => ({ mediaType, digest, size: sizeBytes })),
  });
  const annotations = { "org.opencontainers.image.ref.name": "test" };
  const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] };
  await writeFile(join(layout, "index.json"), JSON.stringify(index));
  await writeFile(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  const bundle = scratch.in(`bundle-${count++}`);
  await run("umoci", "unpack", "--image", `${layout}:test`, bundle);
  return join(bundle, "rootfs");
};
