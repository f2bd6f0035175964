/** Grammars that the core checks by taking a text apart, as patterns of JSON Schema. */
const OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const IPV4 = `${OCTET}(?:\\.${OCTET}){3}`;
const GROUP = "[0-9A-Fa-f]{1,4}";
const IPV6_GROUPS = 8;

/** `before` groups, two colons, and at most as many as are left. */
const compressed = (before: number): string => {
  const head = before === 0 ? "" : `${GROUP}(?::${GROUP}){${before - 1}}`;
  const left = IPV6_GROUPS - 1 - before;
  return left === 0 ? `${head}::` : `${head}::(?:${GROUP}(?::${GROUP}){0,${left - 1}})?`;
};
const IPV6 = [
  `${GROUP}(?::${GROUP}){${IPV6_GROUPS - 1}}`,
  ...Array.from({ length: IPV6_GROUPS }, (_, before) => compressed(before)),
].join("|");

const IP = `(?:${IPV4}|${IPV6})`;
const CIDR = `(?:${IPV4}/(?:3[0-2]|[12]?[0-9])|(?:${IPV6})/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9]))`;

const HOST_LABEL = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?";
const PATH_PART = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
/** A registry is told from the first part of a path by its dot. */
const FIRST_PART = PATH_PART.replace("\\.|", "");
const REGISTRY = `(?:localhost|${HOST_LABEL}(?:\\.${HOST_LABEL})+)(?::[1-9][0-9]{0,3})?`;
/** White space and control characters, which are dropped. */
const DROPPED = "[\\u0000-\\u0020\\u007f-\\u00a0]*";
const REFERENCE = [
  `^${DROPPED}(?:(?:${REGISTRY}|${FIRST_PART})/${PATH_PART}(?:/${PATH_PART})*|${PATH_PART})`,
  "(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?",
  `${DROPPED}$`,
].join("");

const CONTROL = "\\u0000-\\u0008\\u000b-\\u001f\\u007f";
/** What text without a pattern of its own has to be. */
export const PRINTABLE = `^[^${CONTROL}]*$`;

/** Part of a path: neither empty nor "." nor "..". */
const FILE_NAME = `(?:\\.{0,2}[^/.${CONTROL}][^/${CONTROL}]{0,251}|\\.{3}[^/${CONTROL}]{0,251})`;
const FILE_PATH = `${FILE_NAME}(?:/${FILE_NAME})*`;

export interface Grammar {
  readonly pattern: string;
  /** Instead of the rule's */
  readonly maxLength?: number;
  /** What is as good as nothing; the empty text, if not given */
  readonly empty?: string;
}

/** So long that the name stays below 256 characters also with `docker.io/library/` before it; few are a third of that. */
const IMAGE: Grammar = { pattern: REFERENCE, maxLength: 237, empty: `^${DROPPED}$` };

/** By `package.Message.field`; of a map, with `#key` or `#value` behind it. */
export const GRAMMARS: Readonly<Record<string, Grammar>> = {
  "flintlock.types.Kernel.image": IMAGE,
  "flintlock.types.Kernel.filename": { pattern: `^/*${FILE_PATH}$` },
  "flintlock.types.Kernel.cmdline#key": { pattern: `^[^\\s"=${CONTROL}]+$` },
  "flintlock.types.Kernel.cmdline#value": { pattern: `^[^"\\n\\r\\t${CONTROL}]*$` },
  "flintlock.types.Initrd.image": IMAGE,
  "flintlock.types.Initrd.filename": { pattern: `^/*${FILE_PATH}$` },
  "flintlock.types.Volume.mount_point": { pattern: `^/+${FILE_PATH}$` },
  "flintlock.types.VolumeSource.container_source": IMAGE,
  "flintlock.types.StaticAddress.address": { pattern: `^${CIDR}$` },
  "flintlock.types.StaticAddress.gateway": { pattern: `^(?:${CIDR}|${IP})$` },
  "flintlock.types.StaticAddress.nameservers": { pattern: `^${IP}$` },
  "flintlock.v1.Process.user": { pattern: `^[^:\\s${CONTROL}]+(?::[^:\\s${CONTROL}]+)?$` },
  "flintlock.v1.Port.host_ip": { pattern: `^${IP}$` },
  "flintlock.v1.PullRequest.reference": IMAGE,
  "flintlock.v1.InspectImageRequest.reference": IMAGE,
  "flintlock.v1.RemoveImageRequest.reference": IMAGE,
};
