/** Images of an OCI layout (image-spec image-layout.md): `oci-layout`, `index.json`, `blobs/sha256/`. */
import { FlintlockError, type OciReference } from "@flintlock/core";
import { isIndexType, OCI_INDEX } from "../media-types.ts";
import { parseImageConfig } from "../store/image-config.ts";
import { digestOf } from "../store/layout.ts";
import {
  type Descriptor,
  type Index,
  type IndexEntry,
  MAX_CONFIG_BYTES,
  MAX_MANIFEST_BYTES,
  type Manifest,
  type Platform,
  parseManifest,
} from "../store/manifest.ts";
import { choosePlatform, type HostPlatform } from "../store/platform.ts";
import { badData, objectOf, parseJson, stringOf } from "../untrusted-json.ts";
import { blobPath, type ImageFiles } from "./image-files.ts";
import { chooseUnnamed, type GivenName, NO_NAME, nameOf } from "./names.ts";

export const INDEX_FILE = "index.json";
const LAYOUT_FILE = "oci-layout";
const MAX_LAYOUT_FILE_BYTES = 4096;
const MAX_INDEX_DEPTH = 3;
const MAX_CANDIDATES = 1024;
const ATTESTATION = "vnd.docker.reference.type";

/** An image found in a layout: its manifest was verified, its other blobs are only promised. */
export interface FoundImage {
  readonly reference: OciReference;
  readonly manifest: Manifest;
  readonly manifestBytes: Uint8Array;
}

interface Candidate extends IndexEntry {
  readonly name: GivenName;
}

/** Undefined when there is no `index.json`. @throws FlintlockError `data_loss`, `unsupported` – a bad layout */
export const readLayoutIndex = async (files: ImageFiles): Promise<Index | undefined> => {
  const bytes = await files.read(INDEX_FILE, MAX_MANIFEST_BYTES);
  if (bytes === undefined) return undefined;
  const marker = await files.read(LAYOUT_FILE, MAX_LAYOUT_FILE_BYTES);
  if (marker === undefined) throw badData(`the layout has no file ${LAYOUT_FILE}`);
  const { imageLayoutVersion } = objectOf(parseJson(marker, LAYOUT_FILE), LAYOUT_FILE);
  const version = stringOf(imageLayoutVersion, 64, `${LAYOUT_FILE}: imageLayoutVersion`);
  if (!version.startsWith("1.")) {
    throw new FlintlockError("unsupported", `OCI layouts of version "${version}" are not known; 1.0.0 is`);
  }
  const index = parseManifest(bytes, OCI_INDEX);
  if (index.kind !== "index") throw badData(`${INDEX_FILE} is not an index`);
  return index;
};

/** Whether any image of the index says its full name. */
export const hasFullNames = (index: Index): boolean =>
  index.entries.some(({ annotations }) => nameOf(annotations).reference !== undefined);

/**
 * One image per name, each for `platform`. `reference` names the image that has no full name of its own.
 * @throws FlintlockError `invalid_spec` – no name; `not_found` – not for this platform; `data_loss`
 */
export const findImages = async (
  files: ImageFiles,
  index: Index,
  platform: HostPlatform,
  reference: OciReference | undefined,
): Promise<readonly FoundImage[]> => {
  const candidates = await expand(files, index.entries, NO_NAME, 0);
  if (candidates.length === 0)
    throw new FlintlockError("invalid_spec", "the archive has no image in its index");
  const groups = new Map<string, { readonly name: GivenName; readonly members: Candidate[] }>();
  for (const candidate of candidates) {
    const key = JSON.stringify([candidate.name.reference, candidate.name.tag]);
    const group = groups.get(key) ?? { name: candidate.name, members: [] };
    group.members.push(candidate);
    groups.set(key, group);
  }
  return Promise.all(
    nameGroups([...groups.values()], reference).map(async ({ members, reference }) => {
      const chosen = choosePlatform(await withPlatforms(files, members), platform, reference);
      const { manifest, bytes } = await readManifest(files, chosen);
      return { reference, manifest, manifestBytes: bytes };
    }),
  );
};

const nameGroups = (
  groups: readonly { readonly name: GivenName; readonly members: readonly Candidate[] }[],
  reference: OciReference | undefined,
) => {
  const named = groups.flatMap(({ name, members }) =>
    name.reference === undefined ? [] : [{ members, reference: name.reference }],
  );
  const unnamed = groups.filter(({ name }) => name.reference === undefined);
  // Beside named images a nameless one is only taken when it was asked for.
  if (unnamed.length === 0 || (named.length > 0 && reference === undefined)) return named;
  const choice = chooseUnnamed(
    unnamed.map(({ name }) => name.tag),
    reference,
  );
  const members = unnamed[choice.index]?.members ?? [];
  return [...named, { members, reference: choice.reference }];
};

/** The manifests an index leads to, directly or through other indexes; a name goes for all below it. */
const expand = async (
  files: ImageFiles,
  entries: readonly IndexEntry[],
  outer: GivenName,
  depth: number,
): Promise<readonly Candidate[]> => {
  if (depth > MAX_INDEX_DEPTH) throw badData(`indexes lead to indexes more than ${MAX_INDEX_DEPTH} deep`);
  const candidates: Candidate[] = [];
  for (const entry of entries) {
    if (entry.annotations[ATTESTATION] !== undefined || entry.platform?.os === "unknown") continue;
    const own = nameOf(entry.annotations);
    const name = own.reference === undefined && own.tag === undefined ? outer : own;
    if (!isIndexType(entry.mediaType)) {
      candidates.push({ ...entry, name });
    } else {
      const nested = parseManifest(await readBlob(files, entry, MAX_MANIFEST_BYTES), entry.mediaType);
      if (nested.kind !== "index") throw badData(`the blob ${entry.digest} is not an index`);
      candidates.push(...(await expand(files, nested.entries, name, depth + 1)));
    }
    if (candidates.length > MAX_CANDIDATES)
      throw badData(`the archive has more than ${MAX_CANDIDATES} manifests`);
  }
  return candidates;
};

/** Where a descriptor names no platform, the image's configuration does. */
const withPlatforms = async (
  files: ImageFiles,
  members: readonly Candidate[],
): Promise<readonly Candidate[]> => {
  // Manifests repeated under one name are one image.
  const distinct = [...new Map(members.map((member) => [member.digest, member])).values()];
  if (distinct.length === 1) return distinct.map((member) => ({ ...member, platform: undefined }));
  return Promise.all(
    distinct.map(async (member) =>
      member.platform !== undefined ? member : { ...member, platform: await configPlatform(files, member) },
    ),
  );
};

const configPlatform = async (files: ImageFiles, member: Descriptor): Promise<Platform> => {
  const { manifest } = await readManifest(files, member);
  return parseImageConfig(await readBlob(files, manifest.config, MAX_CONFIG_BYTES)).platform;
};

const readManifest = async (files: ImageFiles, descriptor: Descriptor) => {
  const bytes = await readBlob(files, descriptor, MAX_MANIFEST_BYTES);
  const manifest = parseManifest(bytes, descriptor.mediaType);
  if (manifest.kind !== "manifest") throw badData(`the blob ${descriptor.digest} is not a manifest`);
  return { manifest, bytes };
};

const readBlob = async (files: ImageFiles, descriptor: Descriptor, maxBytes: number): Promise<Uint8Array> => {
  const { digest, sizeBytes } = descriptor;
  const bytes = await files.read(blobPath(digest), maxBytes);
  if (bytes === undefined) throw badData(`the archive lacks the blob ${digest}`);
  if (bytes.length !== sizeBytes || digestOf(bytes) !== digest) {
    throw badData(`the archive's blob ${digest} is not what its name promises`);
  }
  return bytes;
};
