import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { FlintlockError } from "@flintlock/core";
import type { BlobStore } from "../store/blobs.ts";
import { fileSize, readBounded } from "../store/durable-file.ts";
import type { Descriptor } from "../store/manifest.ts";
import { blobPath, type ImageFiles } from "./image-files.ts";

const READ_BYTES = 1024 * 1024;

/** An OCI layout directory on this host. Only fixed names and digests are ever joined to its path. */
export const directoryFiles = (blobs: BlobStore, directory: string): ImageFiles => ({
  read: (path, maxBytes) => readBounded(join(directory, path), maxBytes),
  importBlob: async (blob: Descriptor, signal: AbortSignal) => {
    if (await blobs.has(blob)) return;
    const path = join(directory, blobPath(blob.digest));
    const sizeBytes = await fileSize(path);
    if (sizeBytes !== blob.sizeBytes)
      throw mismatch(blob, sizeBytes === undefined ? "absent" : `${sizeBytes} bytes`);
    const source = createReadStream(path, { highWaterMark: READ_BYTES });
    const spooled = await blobs.spool(source, blob.sizeBytes, signal);
    try {
      if (spooled.digest !== blob.digest) throw mismatch(blob, spooled.digest);
      await blobs.adopt(spooled.path, blob.digest);
    } finally {
      await rm(spooled.path, { force: true });
    }
  },
});

const mismatch = ({ digest, sizeBytes }: Descriptor, found: string): FlintlockError =>
  new FlintlockError("data_loss", `the layout's blob ${digest} of ${sizeBytes} bytes is ${found}`);
