/** What the domain needs to know of an OCI image: its identity and how it wants to be run. */
import type { Digest, OciReference } from "./units.ts";

/** The `config` object of an OCI image configuration (image-spec, config.md), parsed and bounded. */
export interface ImageConfig {
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** `KEY=value` */
  readonly env: readonly string[];
  readonly user: string;
  readonly workingDir: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Image {
  readonly reference: OciReference;
  /** Manifest digest for this host's platform */
  readonly digest: Digest;
  readonly config: ImageConfig;
  /** Compressed bytes of all layers */
  readonly sizeBytes: number;
  readonly layers: number;
  readonly createdAt: string | undefined;
  readonly platform: string;
}

/** Labels by which a kernel image names its files, so that a spec need not. */
export const KERNEL_FILE_LABEL = "dev.flintlock.kernel";
export const INITRD_FILE_LABEL = "dev.flintlock.initrd";
