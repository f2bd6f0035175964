import type { Image } from "../domain/image.ts";
import type { OciReference } from "../domain/units.ts";
import type { OnProgress } from "./image-store.ts";

/** Brings images in from bytes instead of a registry. */
export interface ImageLoader {
  /**
   * Reads a tar (plain, gzip or zstd) that is an OCI layout, an OCI archive or a `docker save` archive, verifies every
   * blob, and adds its images. `reference` names an image that carries no name.
   * @throws FlintlockError `data_loss` – a digest does not match; `invalid_spec` – not such an archive
   */
  load(
    archive: AsyncIterable<Uint8Array>,
    reference: OciReference | undefined,
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<readonly Image[]>;
  /** The same from an OCI layout directory on this host. */
  loadLayout(directory: string, signal: AbortSignal): Promise<readonly Image[]>;
}
