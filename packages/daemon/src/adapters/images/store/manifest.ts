/**
 * Manifests and indexes from bytes (image-spec manifest.md, image-index.md; Docker schema 2). What a
 * registry says is bounded here once; everything after works with parsed descriptors.
 */
import { type Digest, FlintlockError, isDigest } from "@flintlock/core";
import {
  isConfigType,
  isIndexType,
  isManifestType,
  layerCompression,
  refuseManifestType,
} from "../media-types.ts";
import { arrayOf, badData, objectOf, parseJson, shown, stringMapOf, stringOf } from "../untrusted-json.ts";

export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
export const MAX_CONFIG_BYTES = 8 * 1024 * 1024;
export const MAX_LAYERS = 256;
export const MAX_LAYER_BYTES = 64 * 1024 ** 3;
const MAX_INDEX_ENTRIES = 1024;
const MAX_TEXT = 1024;
const MAX_ANNOTATIONS = 256;
const MAX_ANNOTATION = 64 * 1024;

/** What is promised of a blob: never read more than `sizeBytes` for it. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  /** Empty when unsaid */
  readonly variant: string;
}

export interface IndexEntry extends Descriptor {
  readonly platform: Platform | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Manifest {
  readonly kind: "manifest";
  readonly mediaType: string;
  readonly config: Descriptor;
  /** Lowest first */
  readonly layers: readonly Descriptor[];
}

export interface Index {
  readonly kind: "index";
  readonly entries: readonly IndexEntry[];
}

/**
 * Parses a manifest or an index. `statedType` is what came beside the bytes (Content-Type, a descriptor);
 * the document's own word wins over it.
 * @throws FlintlockError `data_loss` – malformed or over a limit; `unsupported` – a type we do not take
 */
export const parseManifest = (bytes: Uint8Array, statedType: string): Manifest | Index => {
  if (bytes.length > MAX_MANIFEST_BYTES) throw badData(`the manifest is over ${MAX_MANIFEST_BYTES} bytes`);
  const document = objectOf(parseJson(bytes, "the manifest"), "the manifest");
  const hasEntries = document["manifests"] !== undefined;
  const hasLayers = document["layers"] !== undefined || document["config"] !== undefined;
  // One document read as two things by two tools is an attack (CVE-2021-41190), so it is neither.
  if (hasEntries && hasLayers) throw badData("the manifest claims to be an index as well");

  const ownType = stringOf(document["mediaType"], MAX_TEXT, "the manifest's mediaType");
  const mediaType = ownType !== "" ? ownType : mediaTypeOnly(statedType);
  if (isIndexType(mediaType) || (mediaType === "" && hasEntries)) return parseIndex(document["manifests"]);
  if (document["schemaVersion"] === 1) refuseManifestType("application/vnd.docker.distribution.manifest.v1");
  if (!isManifestType(mediaType) && !(mediaType === "" && hasLayers)) refuseManifestType(shown(mediaType));
  if (hasEntries) throw badData("the manifest's media type and its content disagree");

  const config = parseDescriptor(document["config"], "the manifest's config");
  if (!isConfigType(config.mediaType)) {
    throw new FlintlockError(
      "unsupported",
      `this is not a container image: its configuration is of type ${shown(config.mediaType)}`,
    );
  }
  if (config.sizeBytes > MAX_CONFIG_BYTES)
    throw badData(`the configuration is over ${MAX_CONFIG_BYTES} bytes`);
  const layers = arrayOf(document["layers"], MAX_LAYERS, "the manifest's layers").map((item, index) =>
    parseDescriptor(item, `the manifest's layer ${index}`),
  );
  for (const layer of layers) layerCompression(layer.mediaType);
  return { kind: "manifest", mediaType, config, layers };
};

/** @throws FlintlockError `data_loss` */
export const parseIndex = (manifests: unknown): Index => ({
  kind: "index",
  entries: arrayOf(manifests, MAX_INDEX_ENTRIES, "the index").map((item, index) => {
    const what = `the index's entry ${index}`;
    const entry = objectOf(item, what);
    return {
      ...parseDescriptor(item, what),
      platform: parsePlatform(entry["platform"], `${what}'s platform`),
      annotations: stringMapOf(
        entry["annotations"],
        { maxItems: MAX_ANNOTATIONS, maxLength: MAX_ANNOTATION },
        `${what}'s annotations`,
      ),
    };
  }),
});

const parseDescriptor = (value: unknown, what: string): Descriptor => {
  const descriptor = objectOf(value, what);
  const digest = descriptor["digest"];
  const sizeBytes = descriptor["size"];
  if (typeof digest !== "string" || !isDigest(digest)) {
    throw badData(`${what} has no sha256 digest: ${shown(String(digest))}`);
  }
  if (typeof sizeBytes !== "number" || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
    throw badData(`${what} has no valid size`);
  }
  if (sizeBytes > MAX_LAYER_BYTES) throw badData(`${what} is over ${MAX_LAYER_BYTES} bytes`);
  return { mediaType: stringOf(descriptor["mediaType"], MAX_TEXT, `${what}'s mediaType`), digest, sizeBytes };
};

const parsePlatform = (value: unknown, what: string): Platform | undefined => {
  if (value === undefined || value === null) return undefined;
  const platform = objectOf(value, what);
  return {
    os: stringOf(platform["os"], MAX_TEXT, what),
    architecture: stringOf(platform["architecture"], MAX_TEXT, what),
    variant: stringOf(platform["variant"], MAX_TEXT, what),
  };
};

const mediaTypeOnly = (contentType: string): string => (contentType.split(";")[0] ?? "").trim().toLowerCase();
