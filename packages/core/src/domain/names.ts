/** Names that callers choose, and the ids we mint: parsed once, here, because they become host paths and labels. */
import { invalidField } from "./errors.ts";
import type { MacAddress, Uid } from "./units.ts";

/** A name ends up in a path of the state directory and in a process's name. */
const NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const DEVICE_ID = /^[a-z][a-z0-9_]{0,14}$/;
const VOLUME_ID = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/;
/** Kernel limit: IFNAMSIZ is 16 with the terminating zero. */
const HOST_INTERFACE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/;
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

/** Of a request that names none */
export const DEFAULT_NAMESPACE = "default";

export const isUid = (text: string): text is Uid => ULID.test(text);

/** @throws FlintlockError `invalid_spec` – not 1 to 63 letters, digits, `.`, `_`, `-`, or contains `..` */
export const parseName = (text: string, field: string): string => {
  if (NAME.test(text) && !text.includes("..")) return text;
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  throw invalidField(
    field,
    `${JSON.stringify(shown)} is not a name: use 1 to 63 letters, digits, '.', '_' or '-', a letter or digit at both ends, and no '..'`,
  );
};

export const parseDeviceId = (text: string, field: string): string => {
  if (DEVICE_ID.test(text)) return text;
  throw invalidField(
    field,
    "must be 1 to 15 lower-case letters, digits or '_', a letter first, such as 'eth0'",
  );
};

export const parseVolumeId = (text: string, field: string): string => {
  if (VOLUME_ID.test(text) && !text.includes("..")) return text;
  throw invalidField(
    field,
    "must be 1 to 64 letters, digits, '.', '_' or '-', a letter or digit at both ends, such as 'data'",
  );
};

export const parseHostInterface = (text: string, field: string): string => {
  if (HOST_INTERFACE.test(text) && !text.includes("..")) return text;
  throw invalidField(field, "must be the name of a host interface, at most 15 characters, such as 'br0'");
};

/** Accepts what Go's parser does for six octets: colons, dashes, or dots between groups of four digits. */
export const parseMac = (text: string, field: string): MacAddress => {
  const digits = text.toLowerCase().replaceAll(/[:.-]/g, "");
  const mac = (digits.match(/../g) ?? []).join(":");
  const isWritten =
    /^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(text) || /^([0-9a-f]{4}\.){2}[0-9a-f]{4}$/i.test(text);
  if (!isWritten || !MAC.test(mac))
    throw invalidField(field, "must be a MAC address such as 02:00:00:00:00:01");
  if ((Number.parseInt(mac.slice(0, 2), 16) & 1) === 1) {
    throw invalidField(field, "must be a unicast MAC address: the first octet is even");
  }
  return mac as MacAddress;
};

/**
 * The MAC of an interface whose spec names none: locally administered, and a function of its owner, so that it
 * stays the same across reboots and needs no record.
 */
export const deriveMac = (uid: Uid, deviceId: string): MacAddress => {
  const high = fnv1a(`${uid}/${deviceId}`, 0x811c9dc5);
  const low = fnv1a(`${deviceId}/${uid}`, high ^ 0x5bd1e995);
  const hex = high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
  return `02:${(hex.slice(0, 10).match(/../g) ?? []).join(":")}` as MacAddress;
};

/** A name for a VM whose caller gave none: readable, and unique because the uid is. */
export const generatedName = (uid: Uid): string => `vm-${uid.slice(-10).toLowerCase()}`;

const fnv1a = (text: string, seed: number): number => {
  let hash = seed >>> 0;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  }
  // One avalanche round (murmur3's finaliser): FNV alone leaves neighbours alike.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35) >>> 0;
  return (hash ^ (hash >>> 16)) >>> 0;
};
