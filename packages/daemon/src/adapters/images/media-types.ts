/** Media types of manifests, configurations and layers: OCI image-spec 1.1 and Docker image manifest v2, schema 2. */
import { FlintlockError } from "@flintlock/core";

export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
export const OCI_LAYER = "application/vnd.oci.image.layer.v1.tar";
const DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar";
const DOCKER_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1";

export type Compression = "none" | "gzip" | "zstd";

/** What a manifest request accepts, the preferred first. */
export const ACCEPTED_MANIFESTS = [OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST].join(", ");

const LAYERS: Readonly<Record<string, Compression>> = {
  [OCI_LAYER]: "none",
  [`${OCI_LAYER}+gzip`]: "gzip",
  [`${OCI_LAYER}+zstd`]: "zstd",
  [DOCKER_LAYER]: "none",
  [`${DOCKER_LAYER}.gzip`]: "gzip",
  [`${DOCKER_LAYER}.zstd`]: "zstd",
};

export const isIndexType = (mediaType: string): boolean =>
  mediaType === OCI_INDEX || mediaType === DOCKER_INDEX;

export const isManifestType = (mediaType: string): boolean =>
  mediaType === OCI_MANIFEST || mediaType === DOCKER_MANIFEST;

export const isConfigType = (mediaType: string): boolean =>
  mediaType === OCI_CONFIG || mediaType === DOCKER_CONFIG;

/**
 * How a layer is compressed.
 * @throws FlintlockError `unsupported` – a foreign, encrypted or unknown layer; the message has the type
 */
export const layerCompression = (mediaType: string): Compression => {
  const compression = Object.hasOwn(LAYERS, mediaType) ? LAYERS[mediaType] : undefined;
  if (compression !== undefined) return compression;
  const isForeign = /foreign|nondistributable/.test(mediaType);
  throw new FlintlockError(
    "unsupported",
    isForeign
      ? `the image has a foreign layer (${mediaType}), whose bytes its registry does not hold`
      : `the image has a layer of an unknown media type: ${mediaType}`,
    { hint: "Use an image whose layers are tar, tar+gzip or tar+zstd." },
  );
};

/** @throws FlintlockError `unsupported` – neither a manifest nor an index; the message has the type */
export const refuseManifestType = (mediaType: string): never => {
  throw new FlintlockError(
    "unsupported",
    mediaType.startsWith(DOCKER_SCHEMA_1)
      ? "the image has a Docker schema 1 manifest, which carries no verifiable layers"
      : `the image has a manifest of an unknown media type: ${mediaType}`,
    { hint: "Push the image again with a current tool, as an OCI or Docker schema 2 image." },
  );
};
