/** What the image store asks of the disk builder (`disk/`): merged layers as an ext4 image, or one file out of them. */
import type { Digest } from "@flintlock/core";

/** A verified layer in the content store, lowest first in every list. */
export interface LayerBlob {
  readonly path: string;
  readonly mediaType: string;
  readonly digest: Digest;
  /** Digest of the uncompressed tar, as the image's configuration promises it */
  readonly diffId: Digest;
  readonly sizeBytes: number;
}

export interface ImageDisks {
  /**
   * Writes a raw ext4 image of the merged layers to `target` (a path that does not exist); verifies every
   * diffId while reading; sizeMib undefined = default grown to fit.
   */
  writeDisk(
    layers: readonly LayerBlob[],
    target: string,
    sizeMib: number | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly sizeBytes: number }>;
  /** Writes the bytes of one regular file of the merged layers (symlinks resolved inside the image, bounded) to `target`. */
  extractFile(layers: readonly LayerBlob[], path: string, target: string, signal: AbortSignal): Promise<void>;
}
