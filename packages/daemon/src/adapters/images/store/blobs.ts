/** Content by digest. What has a name here is complete: it was hashed and measured before it got the name. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rm, statfs } from "node:fs/promises";
import { type Digest, FlintlockError } from "@flintlock/core";
import {
  commitFile,
  explainFull,
  fileSize,
  readBounded,
  temporaryPath,
  writeFileDurably,
} from "./durable-file.ts";
import { digestOf, digestOfHex, type StoreLayout } from "./layout.ts";
import type { Descriptor } from "./manifest.ts";

/** Left for the rest of the host when space is checked before a transfer */
const RESERVED_BYTES = 64 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;

export class BlobStore {
  readonly layout: StoreLayout;

  constructor(layout: StoreLayout) {
    this.layout = layout;
  }

  /** Whether the blob is here in its full size; its content was verified when it was stored. */
  async has({ digest, sizeBytes }: Pick<Descriptor, "digest" | "sizeBytes">): Promise<boolean> {
    return (await fileSize(this.layout.blob(digest))) === sizeBytes;
  }

  /**
   * Reads a small blob and verifies it anew. A damaged one is dropped, so that a pull mends it.
   * @throws FlintlockError `data_loss` – it rotted on the disk, or is over `maxBytes`
   */
  async read(digest: Digest, maxBytes: number): Promise<Uint8Array | undefined> {
    const bytes = await readBounded(this.layout.blob(digest), maxBytes);
    if (bytes !== undefined && digestOf(bytes) !== digest) {
      await rm(this.layout.blob(digest), { force: true });
      throw damaged(digest);
    }
    return bytes;
  }

  async put(bytes: Uint8Array): Promise<Digest> {
    const digest = digestOf(bytes);
    const path = this.layout.blob(digest);
    const isThere =
      (await this.has({ digest, sizeBytes: bytes.length })) && (await hashFile(path)) === digest;
    if (!isThere) await writeFileDurably(this.layout.ingest, path, bytes);
    return digest;
  }

  /**
   * Hashes blobs anew and drops the damaged ones, so that a pull mends them.
   * @throws FlintlockError `data_loss` – there was one
   */
  async dropDamaged(digests: readonly Digest[]): Promise<void> {
    for (const digest of new Set(digests)) {
      const path = this.layout.blob(digest);
      if ((await hashFile(path)) === digest) continue;
      await rm(path, { force: true });
      throw damaged(digest);
    }
  }

  /** Gives a verified file of the ingest folder its name. */
  async adopt(path: string, digest: Digest): Promise<void> {
    await commitFile(path, this.layout.blob(digest));
  }

  /**
   * Writes a stream to a new file of the ingest folder, hashing and measuring it; nothing is stored yet.
   * @throws FlintlockError `data_loss` – over `maxBytes`; `exhausted` – the disk is full
   */
  async spool(source: AsyncIterable<Uint8Array>, maxBytes: number, signal: AbortSignal): Promise<Spooled> {
    const path = temporaryPath(this.layout.ingest);
    const file = await open(path, "wx", 0o600);
    try {
      const hash = createHash("sha256");
      let sizeBytes = 0;
      for await (const chunk of source) {
        signal.throwIfAborted();
        sizeBytes += chunk.length;
        if (sizeBytes > maxBytes) {
          throw new FlintlockError("data_loss", `more than the promised ${maxBytes} bytes were sent`);
        }
        hash.update(chunk);
        await writeAll(file, chunk);
      }
      return { path, sizeBytes, digest: digestOfHex(hash.digest("hex")) };
    } catch (error) {
      await rm(path, { force: true });
      throw explainFull(error);
    } finally {
      await file.close();
    }
  }

  /** @throws FlintlockError `exhausted` – `bytes` more would fill the disk */
  async checkSpace(bytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.layout.root);
    const free = bavail * bsize;
    if (bytes + RESERVED_BYTES <= free) return;
    throw new FlintlockError("exhausted", `${bytes} bytes are needed for the image, ${free} are free`, {
      hint: "Free space, or remove unused images and prune.",
    });
  }
}

const damaged = (digest: Digest): FlintlockError =>
  new FlintlockError("data_loss", `the stored blob ${digest} was damaged and has been dropped`, {
    hint: "Pull the image again.",
  });

const hashFile = async (path: string): Promise<Digest> => {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: READ_BYTES })) hash.update(chunk);
  return digestOfHex(hash.digest("hex"));
};

export interface Spooled {
  readonly path: string;
  readonly sizeBytes: number;
  readonly digest: Digest;
}

/** `FileHandle.write` may write less than it was given. */
export const writeAll = async (file: FileHandle, chunk: Uint8Array): Promise<void> => {
  for (let offset = 0; offset < chunk.length; ) {
    const { bytesWritten } = await file.write(chunk, offset, chunk.length - offset);
    offset += bytesWritten;
  }
};
