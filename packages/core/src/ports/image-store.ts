/**
 * OCI images, kept by content and turned into what a VM boots from. Every method is idempotent; every
 * digest and size is verified before anything is used; no name from an image ever becomes a host path.
 */
import type { Image } from "../domain/image.ts";
import type { Digest, OciReference } from "../domain/units.ts";

export interface PullProgress {
  readonly stage: "resolve" | "download" | "verify" | "done";
  /** Layer or blob digest; empty for the image as a whole */
  readonly digest: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export type OnProgress = (progress: PullProgress) => void;

export interface PullOptions {
  /** `missing` does not touch the network when the reference is present */
  readonly policy: "missing" | "always" | "never";
  readonly onProgress?: OnProgress;
}

export interface ImageStore {
  /**
   * Makes `reference` present and returns it. Concurrent calls for one reference share one transfer.
   * @throws FlintlockError `not_found` – no such image; `unauthenticated`/`permission_denied` – the registry
   *   refused; `unavailable` – the registry cannot be reached; `data_loss` – a digest or size did not match
   */
  pull(reference: OciReference, options: PullOptions, signal: AbortSignal): Promise<Image>;
  /** By reference or digest, without the network. */
  find(referenceOrDigest: OciReference | Digest): Promise<Image | undefined>;
  list(): Promise<readonly Image[]>;
  /** Host path of one regular file of the image, extracted once; symlinks inside the image are followed. */
  file(digest: Digest, path: string, signal: AbortSignal): Promise<string>;
  /**
   * Host path of a raw ext4 base disk with the image's merged layers, made once per image and size.
   * Never written to afterwards. `sizeMib` undefined = the default size, grown to fit.
   * @throws FlintlockError `invalid_spec` – the image does not fit in `sizeMib`
   */
  baseDisk(digest: Digest, sizeMib: number | undefined, signal: AbortSignal): Promise<BaseDisk>;
  /** Removes a reference; content goes with `prune`. @throws FlintlockError `not_found` */
  remove(reference: OciReference): Promise<void>;
  /** Drops blobs, files and disks of no reference and not in `keep`; returns the bytes freed. */
  prune(keep: ReadonlySet<Digest>): Promise<number>;
}

export interface BaseDisk {
  readonly path: string;
  readonly sizeBytes: number;
  readonly filesystem: "ext4";
}
