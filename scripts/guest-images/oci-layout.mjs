/** Writes an OCI image layout of images with one gzip layer each. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip, gunzipSync } from "node:zlib";

const EPOCH = "1970-01-01T00:00:00Z";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";

const sha256 = (bytes) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** A gzip layer from memory: `{ bytes, diffId }`. */
export function layerOf(gzipped) {
  return { bytes: gzipped, diffId: sha256(gunzipSync(gzipped)) };
}

/** Compresses a tar file to `path`.gz beside it, without holding it in memory; returns its layer. */
export async function layerOfTarFile(path) {
  const diff = createHash("sha256");
  const source = createReadStream(path);
  source.on("data", (chunk) => diff.update(chunk));
  await pipeline(source, createGzip({ level: 6 }), createWriteStream(`${path}.gz`));
  return { file: `${path}.gz`, diffId: `sha256:${diff.digest("hex")}` };
}

async function hashFile(path) {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
}

export class OciLayout {
  #directory;
  #manifests = [];

  constructor(directory) {
    this.#directory = directory;
  }

  #blobPath(digest) {
    return join(this.#directory, "blobs", "sha256", digest.slice("sha256:".length));
  }

  async #putBytes(mediaType, bytes) {
    const digest = sha256(bytes);
    await writeFile(this.#blobPath(digest), bytes);
    return { mediaType, digest, size: bytes.length };
  }

  async #putLayer(layer) {
    if (layer.bytes !== undefined) return this.#putBytes(LAYER, layer.bytes);
    const digest = await hashFile(layer.file);
    const { size } = await stat(layer.file);
    await rename(layer.file, this.#blobPath(digest));
    return { mediaType: LAYER, digest, size };
  }

  /** Adds an image under its full reference and returns the bytes its layer takes. */
  async add(reference, architecture, layer, config) {
    await mkdir(join(this.#directory, "blobs", "sha256"), { recursive: true });
    const layerDescriptor = await this.#putLayer(layer);
    const configDescriptor = await this.#putBytes(
      CONFIG,
      Buffer.from(
        JSON.stringify({
          created: EPOCH,
          architecture,
          os: "linux",
          config,
          rootfs: { type: "layers", diff_ids: [layer.diffId] },
          history: [{ created: EPOCH, created_by: "scripts/guest-images.mjs" }],
        }),
      ),
    );
    const manifest = {
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: configDescriptor,
      layers: [layerDescriptor],
    };
    this.#manifests.push({
      ...(await this.#putBytes(MANIFEST, Buffer.from(JSON.stringify(manifest)))),
      platform: { architecture, os: "linux" },
      annotations: { "org.opencontainers.image.ref.name": reference },
    });
    return layerDescriptor.size;
  }

  /** Writes what makes the directory a layout: to be called last. */
  async finish() {
    const index = { schemaVersion: 2, mediaType: INDEX, manifests: this.#manifests };
    await writeFile(join(this.#directory, "index.json"), `${JSON.stringify(index, undefined, 2)}\n`);
    await writeFile(join(this.#directory, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}\n');
  }

  /** Takes the place of `target`, which may exist. */
  async moveTo(target) {
    const old = `${target}.old-${process.pid}`;
    await rename(target, old).catch((error) => {
      if (error.code !== "ENOENT") throw error;
    });
    await rename(this.#directory, target);
    await rm(old, { recursive: true, force: true });
  }
}
