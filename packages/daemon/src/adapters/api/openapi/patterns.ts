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
/** Without the white space around it that is dropped. A registry is told from a path by its dot or port. */
const REFERENCE = [
  `^(?:(?:localhost|${HOST_LABEL}(?:\\.${HOST_LABEL})+)(?::[1-9][0-9]{0,3})?/)?`,
  `${PATH_PART}(?:/${PATH_PART})*`,
  "(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$",
].join("");

export const PATTERNS: Readonly<Record<string, string>> = {
  "flintlock.types.Kernel.image": REFERENCE,
  "flintlock.types.Initrd.image": REFERENCE,
  "flintlock.types.VolumeSource.container_source": REFERENCE,
  "flintlock.types.StaticAddress.address": `^${CIDR}$`,
  "flintlock.types.StaticAddress.gateway": `^(?:${CIDR}|${IP})$`,
  "flintlock.types.StaticAddress.nameservers": `^${IP}$`,
  "flintlock.v1.Port.host_ip": `^${IP}$`,
  "flintlock.v1.PullRequest.reference": REFERENCE,
  "flintlock.v1.InspectImageRequest.reference": REFERENCE,
  "flintlock.v1.RemoveImageRequest.reference": REFERENCE,
};
