import type { Descriptor } from "../store/manifest.ts";

/** The files of an OCI layout, wherever they lie. Paths are relative and with `/`. */
export interface ImageFiles {
  /** Undefined when there is no such file. @throws FlintlockError `data_loss` – over `maxBytes` */
  read(path: string, maxBytes: number): Promise<Uint8Array | undefined>;
  /** Brings a blob into the store. @throws FlintlockError `data_loss` – absent, or of another size or digest */
  importBlob(blob: Descriptor, signal: AbortSignal): Promise<void>;
}

export const blobPath = (digest: string): string => `blobs/${digest.replace(":", "/")}`;
