/** A whole image: resolve, configuration, layers, and last of all the reference that makes it count. */
import {
  FlintlockError,
  type Log,
  type OciReference,
  type OnProgress,
  splitReference,
} from "@flintlock/core";
import type { BlobStore } from "../store/blobs.ts";
import { checkLayerCount, parseImageConfig } from "../store/image-config.ts";
import type { StoredImage } from "../store/images.ts";
import {
  type Descriptor,
  type IndexEntry,
  MAX_CONFIG_BYTES,
  MAX_MANIFEST_BYTES,
  type Manifest,
  parseManifest,
} from "../store/manifest.ts";
import type { Pins } from "../store/pins.ts";
import { checkPlatform, choosePlatform, type HostPlatform } from "../store/platform.ts";
import { blobsOf } from "../store/prune.ts";
import type { ReferenceStore } from "../store/references.ts";
import type { FetchedManifest, RegistryClient } from "./client.ts";
import type { BlobDownloads } from "./download.ts";

const LAYERS_AT_ONCE = 3;
/** Indexes may lead to indexes; sane ones do so once. */
const MAX_INDEX_DEPTH = 3;
const PROGRESS_EVERY_MS = 100;

export interface ImagePullerParts {
  readonly client: RegistryClient;
  readonly downloads: BlobDownloads;
  readonly blobs: BlobStore;
  readonly references: ReferenceStore;
  readonly pins: Pins;
  readonly platform: HostPlatform;
  readonly log: Log;
}

export class ImagePuller {
  readonly #parts: ImagePullerParts;

  constructor(parts: ImagePullerParts) {
    this.#parts = parts;
  }

  /** Fetches what is missing. @throws FlintlockError as `ImageStore.pull` */
  async pull(reference: OciReference, onProgress: OnProgress, signal: AbortSignal): Promise<StoredImage> {
    const { blobs, pins, references, log } = this.#parts;
    onProgress({ stage: "resolve", digest: "", doneBytes: 0, totalBytes: 0 });
    const { fetched, manifest } = await this.#resolve(reference, signal);
    const { digest } = fetched;
    return pins.hold(blobsOf({ digest, manifest }), async () => {
      const config = await this.#fetchConfig(reference, manifest, signal);
      await this.#fetchLayers(reference, manifest, onProgress, signal);
      await blobs.put(fetched.bytes);
      await references.set({ reference, digest });
      const totalBytes = manifest.layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      onProgress({ stage: "done", digest: "", doneBytes: totalBytes, totalBytes });
      log.info("image pulled", { reference, digest, sizeBytes: totalBytes });
      return { digest, manifest, config };
    });
  }

  async #resolve(
    reference: OciReference,
    signal: AbortSignal,
  ): Promise<{ readonly fetched: FetchedManifest; readonly manifest: Manifest }> {
    const { client, platform } = this.#parts;
    const parts = splitReference(reference);
    let fetched = await client.manifest(parts, parts.digest ?? parts.tag ?? "latest", signal);
    let statedType = fetched.contentType;
    for (let depth = 0; depth <= MAX_INDEX_DEPTH; depth++) {
      const document = parseManifest(fetched.bytes, statedType);
      if (document.kind === "manifest") return { fetched, manifest: document };
      const entry = choosePlatform(document.entries, platform, reference);
      fetched = await this.#fetchEntry(reference, entry, signal);
      statedType = entry.mediaType;
    }
    throw new FlintlockError(
      "data_loss",
      `${reference}: indexes lead to indexes more than ${MAX_INDEX_DEPTH} deep`,
    );
  }

  async #fetchEntry(
    reference: OciReference,
    { digest, sizeBytes }: IndexEntry,
    signal: AbortSignal,
  ): Promise<FetchedManifest> {
    if (sizeBytes > MAX_MANIFEST_BYTES) {
      throw new FlintlockError("data_loss", `${reference}: its manifest is over ${MAX_MANIFEST_BYTES} bytes`);
    }
    const fetched = await this.#parts.client.manifest(splitReference(reference), digest, signal);
    if (fetched.bytes.length === sizeBytes) return fetched;
    throw new FlintlockError(
      "data_loss",
      `${reference}: its manifest has ${fetched.bytes.length} bytes instead of ${sizeBytes}`,
    );
  }

  async #fetchConfig(reference: OciReference, manifest: Manifest, signal: AbortSignal) {
    const { blobs, downloads, platform } = this.#parts;
    await downloads.ensure(splitReference(reference), manifest.config, () => {}, signal);
    const bytes = await blobs.read(manifest.config.digest, MAX_CONFIG_BYTES);
    if (bytes === undefined)
      throw new FlintlockError("data_loss", `${reference}: its configuration vanished`);
    const config = parseImageConfig(bytes);
    checkLayerCount(manifest.layers.length, config);
    checkPlatform(config.platform, platform, reference);
    return config;
  }

  async #fetchLayers(
    reference: OciReference,
    manifest: Manifest,
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<void> {
    const { blobs, downloads } = this.#parts;
    // Some images name one (empty) layer many times.
    const layers = [...new Map(manifest.layers.map((layer) => [layer.digest, layer])).values()];
    await blobs.checkSpace(await missingBytes(blobs, layers));
    const repository = splitReference(reference);
    await forEachAtOnce(LAYERS_AT_ONCE, layers, signal, async (layer, shared) => {
      await downloads.ensure(repository, layer, layerProgress(layer, onProgress), shared);
    });
  }
}

const missingBytes = async (blobs: BlobStore, layers: readonly Descriptor[]): Promise<number> => {
  const sizes = await Promise.all(
    layers.map(async (layer) => ((await blobs.has(layer)) ? 0 : layer.sizeBytes)),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
};

/** Reports where a layer starts, its first bytes, then a few times a second, and its end always. */
const layerProgress = ({ digest, sizeBytes: totalBytes }: Descriptor, onProgress: OnProgress) => {
  let startedAt: number | undefined;
  let reportedAtMs = Number.NEGATIVE_INFINITY;
  return (doneBytes: number) => {
    const isStart = startedAt === undefined || doneBytes === startedAt;
    const nowMs = performance.now();
    if (doneBytes < totalBytes && nowMs - reportedAtMs < PROGRESS_EVERY_MS) return;
    startedAt ??= doneBytes;
    if (!isStart) reportedAtMs = nowMs;
    onProgress({ stage: "download", digest, doneBytes, totalBytes });
  };
};

/** Works on `limit` items at once; the first failure aborts the others and is thrown when all have ended. */
const forEachAtOnce = async <T>(
  limit: number,
  items: readonly T[],
  signal: AbortSignal,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> => {
  const failure = new AbortController();
  const shared = AbortSignal.any([signal, failure.signal]);
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) {
      shared.throwIfAborted();
      try {
        await work(item, shared);
      } catch (error) {
        failure.abort(error);
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, worker));
  signal.throwIfAborted();
  if (failure.signal.aborted) throw failure.signal.reason;
  for (const end of ended) if (end.status === "rejected") throw end.reason;
};
