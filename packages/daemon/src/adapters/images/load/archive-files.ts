/**
 * The files of an image archive, spooled out of the tar under names of our own: a path from the archive is a
 * key in a map and never a path on the host.
 */
import { rm } from "node:fs/promises";
import { posix } from "node:path";
import { FlintlockError } from "@flintlock/core";
import { readTar } from "../disk/tar/read-tar.ts";
import type { BlobStore, Spooled } from "../store/blobs.ts";
import { readBounded } from "../store/durable-file.ts";
import type { Descriptor } from "../store/manifest.ts";
import { shown } from "../untrusted-json.ts";
import { blobPath, type ImageFiles } from "./image-files.ts";

const MAX_ENTRIES = 16_384;
export const MAX_ARCHIVE_BYTES = 64 * 1024 ** 3;
/** Old `docker save` archives link equal layers to each other. */
const MAX_LINK_HOPS = 8;

export class ArchiveFiles implements ImageFiles, AsyncDisposable {
  readonly #blobs: BlobStore;
  readonly #files = new Map<string, Spooled>();
  readonly #links = new Map<string, string>();
  /** Spooled paths that have moved into the store: archives name one layer in several places */
  readonly #imported = new Set<string>();

  private constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  /**
   * Reads the tar to its end. Dispose of the result to remove what nobody imported.
   * @throws FlintlockError `invalid_spec` – not a tar; `data_loss` – damaged or too large
   */
  static async read(
    blobs: BlobStore,
    tar: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<ArchiveFiles> {
    const files = new ArchiveFiles(blobs);
    try {
      await files.#spool(tar, signal);
      return files;
    } catch (error) {
      await files[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The spooled file, links followed. */
  find(path: string): Spooled | undefined {
    let name = normalise(path);
    for (let hops = 0; hops <= MAX_LINK_HOPS; hops++) {
      const target = this.#links.get(name);
      if (target === undefined) return this.#files.get(name);
      name = target;
    }
    return undefined;
  }

  async read(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
    const file = this.find(path);
    return file === undefined ? undefined : readBounded(file.path, maxBytes);
  }

  async importBlob(blob: Descriptor): Promise<void> {
    const file = this.find(blobPath(blob.digest));
    if (file === undefined) throw lacks(blob.digest);
    if (file.digest !== blob.digest || file.sizeBytes !== blob.sizeBytes) {
      throw new FlintlockError(
        "data_loss",
        `the archive's blob ${blob.digest} has ${file.sizeBytes} bytes and digest ${file.digest}`,
      );
    }
    await this.importFile(file);
  }

  /** Moves a spooled file into the store; it can still be read and imported again. */
  async importFile(file: Spooled): Promise<void> {
    const path = this.#blobs.layout.blob(file.digest);
    if (file.path === path || this.#imported.has(file.path)) return;
    await this.#blobs.adopt(file.path, file.digest);
    this.#imported.add(file.path);
    for (const [name, other] of this.#files) {
      if (other.path === file.path) this.#files.set(name, { ...file, path });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { path, digest } of this.#files.values()) {
      if (path !== this.#blobs.layout.blob(digest)) await rm(path, { force: true });
    }
    this.#files.clear();
  }

  async #spool(tar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    let entries = 0;
    let leftBytes = MAX_ARCHIVE_BYTES;
    try {
      for await (const entry of readTar(tar, signal)) {
        entries += 1;
        if (entries > MAX_ENTRIES) {
          throw new FlintlockError("data_loss", `the archive has more than ${MAX_ENTRIES} entries`);
        }
        const name = normalise(entry.path);
        if (entry.type === "file") {
          const file = await this.#blobs.spool(entry.body, leftBytes, signal);
          leftBytes -= file.sizeBytes;
          await this.#replace(name, file);
        } else if (entry.type === "symlink") {
          this.#links.set(name, normalise(posix.join(posix.dirname(name), entry.linkPath)));
        } else if (entry.type === "hardlink") {
          this.#links.set(name, normalise(entry.linkPath));
        }
      }
    } catch (error) {
      const isNoTar = entries === 0 && error instanceof FlintlockError && error.code === "data_loss";
      if (isNoTar) throw notAnArchive(error);
      throw error;
    }
    if (entries === 0) throw notAnArchive(undefined);
  }

  /** The later of two entries with one name counts, as for tar. */
  async #replace(name: string, file: Spooled): Promise<void> {
    const earlier = this.#files.get(name);
    this.#files.set(name, file);
    this.#links.delete(name);
    if (earlier !== undefined) await rm(earlier.path, { force: true });
  }
}

export const notAnArchive = (cause: unknown): FlintlockError =>
  new FlintlockError("invalid_spec", "this is not an image archive", {
    cause,
    hint: "Give a tar made by docker save, or an OCI archive; gzip and zstd are fine.",
  });

const lacks = (what: string): FlintlockError =>
  new FlintlockError("data_loss", `the archive lacks ${shown(what)}`);

/** A key: no leading `./` or `/`, no `..` that could be left over. */
const normalise = (path: string): string => posix.join("/", path).slice(1).replace(/\/$/, "");
