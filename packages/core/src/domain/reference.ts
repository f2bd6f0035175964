import { invalidField } from "./errors.ts";
import type { Digest, OciReference } from "./units.ts";

/** `registry/repository` without tag or digest, as the distribution project bounds it */
export const MAX_REFERENCE_NAME = 255;
export const MAX_REFERENCE_TAG = 128;
const MAX_REFERENCE_TEXT = MAX_REFERENCE_NAME + 1 + MAX_REFERENCE_TAG + "@sha256:".length + 64;
/** Before the clean-up: nobody pads a reference with a megabyte of spaces in good faith. */
export const MAX_RAW_REFERENCE = 4 * MAX_REFERENCE_TEXT;

const DEFAULT_REGISTRY = "docker.io";
const DEFAULT_NAMESPACE = "library";
const DEFAULT_TAG = "latest";

// The grammar of the distribution project's reference package, which docker and containerd share.
const HOST_LABEL = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?";
const REGISTRY = new RegExp(`^(?:${HOST_LABEL}(?:\\.${HOST_LABEL})*|\\[[0-9a-f:]+\\])(?::[0-9]{1,5})?$`);
const PATH_COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const IMAGE_ID = /^[0-9a-f]{64}$/;
const CONTROL_CHARACTERS = /\p{Cc}/gu;

export interface ReferenceParts {
  /** `host[:port]`; `docker.io` for the hub */
  readonly registry: string;
  readonly repository: string;
  /** Exactly one of `tag` and `digest` is set */
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
}

/** True for `sha256:` and 64 lower-case hex digits, the one algorithm we accept. */
export const isDigest = (text: string): text is Digest => DIGEST.test(text);

/**
 * Turns what a caller wrote into the full form docker means by it: `alpine` is
 * `docker.io/library/alpine:latest`. White space around it and control characters in it are dropped, as
 * upstream does. A digest wins over a tag beside it.
 * @throws FlintlockError `invalid_spec` – not a reference; `field` names the offender
 */
export const parseReference = (text: string, field: string): OciReference => {
  const refuse = (problem: string): never => {
    throw invalidField(field, problem);
  };
  if (text.length > MAX_RAW_REFERENCE) refuse("is too long for an image reference");
  const clean = text.trim().replace(CONTROL_CHARACTERS, "");
  if (clean === "") refuse("must name an image, for example docker.io/library/alpine:3.20");
  if (clean.length > MAX_REFERENCE_TEXT) refuse("is too long for an image reference");
  if (clean.includes("://")) refuse("must be an image reference without a scheme such as https://");

  const { name, tag, digest } = splitSuffixes(clean);
  if (digest !== undefined && !isDigest(digest)) {
    refuse("has a digest that is not sha256: and 64 lower-case hex digits");
  }
  if (tag !== undefined && (tag.length > MAX_REFERENCE_TAG || !TAG.test(tag))) {
    refuse(`has a tag that is not 1 to ${MAX_REFERENCE_TAG} letters, digits, '_', '.' or '-'`);
  }

  const { registry, repository } = splitName(name);
  if (!REGISTRY.test(registry)) refuse(`has a registry that is not host[:port]: ${registry}`);
  if (Number(/:([0-9]+)$/.exec(registry)?.[1] ?? 0) > 65_535) refuse("has a registry port above 65535");
  if (repository !== repository.toLowerCase()) refuse("must have its repository in lower case");
  if (!repository.split("/").every((component) => PATH_COMPONENT.test(component))) {
    refuse("is not an image reference of the form [registry/]repository[:tag|@digest]");
  }
  if (name === repositoryOfHub(repository) && IMAGE_ID.test(name)) {
    refuse("looks like an image id; name the image by reference");
  }
  const full = `${registry}/${repository}`;
  if (full.length > MAX_REFERENCE_NAME) refuse(`has a name over ${MAX_REFERENCE_NAME} characters`);
  return (digest !== undefined ? `${full}@${digest}` : `${full}:${tag ?? DEFAULT_TAG}`) as OciReference;
};

/** The parts of a normalised reference; total, since only `parseReference` mints one. */
export const splitReference = (reference: OciReference): ReferenceParts => {
  const { name, tag, digest } = splitSuffixes(reference);
  const slash = name.indexOf("/");
  return {
    registry: name.slice(0, slash),
    repository: name.slice(slash + 1),
    tag: digest === undefined ? tag : undefined,
    digest: digest as Digest | undefined,
  };
};

const splitSuffixes = (text: string) => {
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const rest = at < 0 ? text : text.slice(0, at);
  // A colon before a slash belongs to the registry's port, not to a tag.
  const colon = rest.lastIndexOf(":");
  const hasTag = colon > rest.lastIndexOf("/");
  return {
    name: hasTag ? rest.slice(0, colon) : rest,
    tag: hasTag ? rest.slice(colon + 1) : undefined,
    digest,
  };
};

const splitName = (name: string): { readonly registry: string; readonly repository: string } => {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const isRegistry =
    first !== "" && (/[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase());
  const registry = isRegistry ? first.toLowerCase() : DEFAULT_REGISTRY;
  const repository = isRegistry ? name.slice(slash + 1) : name;
  // COMPAT: the hub's old name.
  if (registry !== DEFAULT_REGISTRY && registry !== `index.${DEFAULT_REGISTRY}`) {
    return { registry, repository };
  }
  return {
    registry: DEFAULT_REGISTRY,
    repository: repository.includes("/") ? repository : `${DEFAULT_NAMESPACE}/${repository}`,
  };
};

const repositoryOfHub = (repository: string): string => repository.slice(`${DEFAULT_NAMESPACE}/`.length);
