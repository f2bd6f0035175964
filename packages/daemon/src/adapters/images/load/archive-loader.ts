/** Images from an archive or a layout directory into the store. */
import type { Image, Log, OciReference, OnProgress } from "@flintlock/core";
import { decompress } from "../disk/decompress.ts";
import type { BlobStore } from "../store/blobs.ts";
import { checkLayerCount, parseImageConfig } from "../store/image-config.ts";
import { describeImage, readImage } from "../store/images.ts";
import { digestOf } from "../store/layout.ts";
import { MAX_CONFIG_BYTES, parseManifest } from "../store/manifest.ts";
import type { Pins } from "../store/pins.ts";
import { checkPlatform, type HostPlatform } from "../store/platform.ts";
import { blobsOf } from "../store/prune.ts";
import type { ReferenceStore } from "../store/references.ts";
import { badData } from "../untrusted-json.ts";
import { ArchiveFiles, MAX_ARCHIVE_BYTES, notAnArchive } from "./archive-files.ts";
import { peekCompression } from "./compression.ts";
import { directoryFiles } from "./directory-files.ts";
import { assemble, nameSavedImages, readSavedImages } from "./docker-save.ts";
import type { ImageFiles } from "./image-files.ts";
import { findImages, hasFullNames, readLayoutIndex } from "./oci-layout.ts";
import { watchedSource } from "./watched-source.ts";

export interface ArchiveLoaderParts {
  readonly blobs: BlobStore;
  readonly references: ReferenceStore;
  readonly pins: Pins;
  readonly platform: HostPlatform;
  readonly log: Log;
}

/** A verified manifest, and how to bring the blobs it names into the store. */
interface Arrival {
  readonly references: readonly OciReference[];
  readonly manifestBytes: Uint8Array;
  readonly importBlobs: () => Promise<void>;
}

export class ArchiveLoader {
  readonly #parts: ArchiveLoaderParts;

  constructor(parts: ArchiveLoaderParts) {
    this.#parts = parts;
  }

  async load(
    archive: AsyncIterable<Uint8Array>,
    reference: OciReference | undefined,
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<readonly Image[]> {
    const { compression, bytes } = await peekCompression(watchedSource(archive, onProgress, signal));
    const tar = decompress(bytes, compression, MAX_ARCHIVE_BYTES);
    await using files = await ArchiveFiles.read(this.#parts.blobs, tar, signal);
    onProgress({ stage: "verify", digest: "", doneBytes: 0, totalBytes: 0 });
    const images = await this.#commit(await this.#arrivals(files, reference, signal));
    onProgress({ stage: "done", digest: "", doneBytes: 0, totalBytes: 0 });
    return images;
  }

  async loadLayout(directory: string, signal: AbortSignal): Promise<readonly Image[]> {
    signal.throwIfAborted();
    const files = directoryFiles(this.#parts.blobs, directory);
    const index = await readLayoutIndex(files);
    if (index === undefined) throw notAnArchive(new Error(directory));
    const found = await findImages(files, index, this.#parts.platform, undefined);
    return this.#commit(found.map((image) => this.#layoutArrival(files, image, signal)));
  }

  /** Docker from version 25 on writes both forms; the OCI one counts if it has the names. */
  async #arrivals(
    files: ArchiveFiles,
    reference: OciReference | undefined,
    signal: AbortSignal,
  ): Promise<readonly Arrival[]> {
    const index = await readLayoutIndex(files);
    const saved = await readSavedImages(files);
    const isSaved = saved?.some(({ repoTags }) => repoTags.length > 0) ?? false;
    if (index !== undefined && (hasFullNames(index) || !isSaved)) {
      const found = await findImages(files, index, this.#parts.platform, reference);
      return found.map((image) => this.#layoutArrival(files, image, signal));
    }
    if (saved === undefined || saved.length === 0) throw notAnArchive(undefined);

    const arrivals: Arrival[] = [];
    for (const named of nameSavedImages(saved, reference)) {
      const { references, manifestBytes, files: needed } = await assemble(files, named, signal);
      const importBlobs = async () => {
        for (const file of needed) await files.importFile(file);
      };
      arrivals.push({ references, manifestBytes, importBlobs });
    }
    return arrivals;
  }

  #layoutArrival(
    files: ImageFiles,
    image: { readonly reference: OciReference; readonly manifestBytes: Uint8Array },
    signal: AbortSignal,
  ): Arrival {
    const { manifestBytes, reference } = image;
    const importBlobs = async () => {
      const manifest = parseManifest(manifestBytes, "");
      if (manifest.kind !== "manifest") throw badData(`${reference}: an index is in a manifest's place`);
      await files.importBlob(manifest.config, signal);
      for (const layer of manifest.layers) await files.importBlob(layer, signal);
    };
    return { references: [reference], manifestBytes, importBlobs };
  }

  /** Blobs, manifest, references, in this order: a crash leaves at worst blobs that the next prune drops. */
  async #commit(arrivals: readonly Arrival[]): Promise<readonly Image[]> {
    const { blobs, references, pins, platform, log } = this.#parts;
    const images: Image[] = [];
    for (const arrival of arrivals) {
      const [name] = arrival.references;
      const digest = digestOf(arrival.manifestBytes);
      const manifest = parseManifest(arrival.manifestBytes, "");
      if (manifest.kind !== "manifest" || name === undefined) continue;
      await pins.hold(blobsOf({ digest, manifest }), async () => {
        await arrival.importBlobs();
        const config = parseImageConfig(
          (await blobs.read(manifest.config.digest, MAX_CONFIG_BYTES)) ?? new Uint8Array(),
        );
        checkLayerCount(manifest.layers.length, config);
        checkPlatform(config.platform, platform, name);
        await blobs.put(arrival.manifestBytes);
        for (const reference of arrival.references) {
          await references.set({ reference, digest });
          const image = await readImage(blobs, digest);
          if (image === undefined) throw badData(`${reference} vanished while it was loaded`);
          images.push(describeImage(reference, image));
          log.info("image loaded", { reference, digest });
        }
      });
    }
    return images.sort((a, b) => (a.reference < b.reference ? -1 : 1));
  }
}
