/** How the images of an archive get their references. */
import { FlintlockError, type OciReference, parseReference, splitReference } from "@flintlock/core";
import { shown } from "../untrusted-json.ts";

/** containerd, nerdctl and docker >= 25 write the full reference here */
const CONTAINERD_NAME = "io.containerd.image.name";
/** image-spec annotations.md: mostly a bare tag, at times a full reference */
const OCI_NAME = "org.opencontainers.image.ref.name";
const MAX_LISTED = 8;

/** A full reference, or a tag that waits for one, or neither. */
export interface GivenName {
  readonly reference: OciReference | undefined;
  readonly tag: string | undefined;
}

export const NO_NAME: GivenName = { reference: undefined, tag: undefined };

/** @throws FlintlockError `invalid_spec` – a name that is no reference */
export const nameOf = (annotations: Readonly<Record<string, string>>): GivenName => {
  const full = annotations[CONTAINERD_NAME];
  if (full !== undefined && full !== "")
    return { reference: parseReference(full, CONTAINERD_NAME), tag: undefined };
  const name = annotations[OCI_NAME];
  if (name === undefined || name === "") return NO_NAME;
  const isFull = /[/:@]/.test(name);
  return isFull
    ? { reference: parseReference(name, OCI_NAME), tag: undefined }
    : { reference: undefined, tag: name };
};

/**
 * Which of the images without a full name the caller's `reference` means: the only one, or the one whose bare
 * tag is the reference's. `undefined` in `tags` is an image with no name at all.
 * @throws FlintlockError `invalid_spec` – no reference was given, or it fits none or several
 */
export const chooseUnnamed = (
  tags: readonly (string | undefined)[],
  reference: OciReference | undefined,
): { readonly index: number; readonly reference: OciReference } => {
  if (reference === undefined)
    throw nameless(tags, "carries no full image name, so a reference must be given");
  if (tags.length === 1) return { index: 0, reference };
  const { tag } = splitReference(reference);
  const index = tags.indexOf(tag);
  if (tag !== undefined && index >= 0) return { index, reference };
  throw nameless(tags, `holds ${tags.length} images without a full name, and ${reference} fits none of them`);
};

const nameless = (tags: readonly (string | undefined)[], problem: string): FlintlockError => {
  const named = tags.flatMap((tag) => (tag === undefined ? [] : [shown(tag)]));
  const listed = named.slice(0, MAX_LISTED).join(", ");
  const found = named.length === 0 ? "" : ` (tags in it: ${listed}${named.length > MAX_LISTED ? ", …" : ""})`;
  return new FlintlockError("invalid_spec", `reference: the archive ${problem}${found}`, {
    detail: { field: "reference" },
    hint: "Give the reference to load it as, for example localhost/name:tag.",
  });
};
