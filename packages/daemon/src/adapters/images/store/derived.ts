/** What is made from an image once and then only read: base disks and extracted files. */
import { chmod, rm, stat } from "node:fs/promises";
import { type BaseDisk, type Digest, FlintlockError, invalidField } from "@flintlock/core";
import type { ImageDisks } from "../image-disks.ts";
import { SharedTasks } from "../shared-tasks.ts";
import type { BlobStore } from "./blobs.ts";
import { commitFile, ensureDirectory, explainFull, fileSize, temporaryPath } from "./durable-file.ts";
import { layerBlobs, readImage, type StoredImage } from "./images.ts";
import type { Pins } from "./pins.ts";
import { blobsOf } from "./prune.ts";

const MAX_PATH = 4096;
const MAX_DISK_MIB = 16 * 1024 * 1024;
/** Nothing writes to them afterwards, and their mode says so. */
const READ_ONLY = 0o444;

export class DerivedFiles {
  readonly #blobs: BlobStore;
  readonly #pins: Pins;
  readonly #disks: ImageDisks;
  readonly #tasks = new SharedTasks<void>();

  constructor(blobs: BlobStore, pins: Pins, disks: ImageDisks) {
    this.#blobs = blobs;
    this.#pins = pins;
    this.#disks = disks;
  }

  async baseDisk(digest: Digest, sizeMib: number | undefined, signal: AbortSignal): Promise<BaseDisk> {
    if (sizeMib !== undefined && !(Number.isInteger(sizeMib) && sizeMib > 0 && sizeMib <= MAX_DISK_MIB)) {
      throw invalidField("size_in_mb", `must be a whole number from 1 to ${MAX_DISK_MIB}`);
    }
    const path = this.#blobs.layout.disk(digest, sizeMib);
    await this.#once(digest, path, signal, async (image, temporary, shared) => {
      await this.#disks.writeDisk(await layerBlobs(this.#blobs, image), temporary, sizeMib, shared);
    });
    return { path, sizeBytes: (await stat(path)).size, filesystem: "ext4" };
  }

  async file(digest: Digest, path: string, signal: AbortSignal): Promise<string> {
    const inside = normalisePath(path);
    const target = this.#blobs.layout.file(digest, inside);
    await this.#once(digest, target, signal, async (image, temporary, shared) => {
      await ensureDirectory(this.#blobs.layout.filesOf(digest));
      await this.#disks.extractFile(await layerBlobs(this.#blobs, image), inside, temporary, shared);
    });
    return target;
  }

  async #checkLayers({ manifest }: StoredImage): Promise<void> {
    await this.#blobs.dropDamaged(manifest.layers.map(({ digest }) => digest));
  }

  async #once(
    digest: Digest,
    target: string,
    signal: AbortSignal,
    make: (image: StoredImage, temporary: string, signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    signal.throwIfAborted();
    const work = async (shared: AbortSignal) => {
      const image = await readImage(this.#blobs, digest);
      if (image === undefined) {
        throw new FlintlockError("not_found", `image ${digest} not found`, { hint: "Pull the image first." });
      }
      await this.#pins.hold(blobsOf(image), async () => {
        if ((await fileSize(target)) !== undefined) return;
        const temporary = temporaryPath(this.#blobs.layout.ingest);
        try {
          await make(image, temporary, shared);
          await chmod(temporary, READ_ONLY);
          await commitFile(temporary, target);
        } catch (error) {
          await rm(temporary, { force: true });
          // Is it the image that is wrong, or our copy of it?
          if (error instanceof FlintlockError && error.code === "data_loss") await this.#checkLayers(image);
          throw explainFull(error);
        }
      });
    };
    if ((await fileSize(target)) === undefined) await this.#tasks.run(target, work, signal);
  }
}

/** `/boot/vmlinuz` and `./boot//vmlinuz` are one file: `boot/vmlinuz`. @throws FlintlockError `invalid_spec` */
export const normalisePath = (path: string): string => {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  const isBad = parts.length === 0 || parts.includes("..") || path.includes("\0") || path.length > MAX_PATH;
  if (isBad) throw invalidField("filename", "must be the path of a file inside the image, without '..'");
  return parts.join("/");
};
