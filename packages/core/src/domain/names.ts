/** Names that callers choose, and the ids we mint: parsed once, here, because they become host paths and labels. */
import { INTERFACE_FIELDS, VOLUME_FIELDS } from "./device-fields.ts";
import { invalidField } from "./errors.ts";
import { MICROVM_FIELDS } from "./microvm-fields.ts";
import { parseForm } from "./text-rules.ts";
import type { MacAddress, Uid } from "./units.ts";

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

export const isUid = (text: string): text is Uid => ULID.test(text);

/** @throws FlintlockError `invalid_spec` – breaks the rule of `id` and `namespace` */
export const parseName = (text: string, field: string): string => parseForm(text, field, MICROVM_FIELDS.id);

export const parseDeviceId = (text: string, field: string): string =>
  parseForm(text, field, INTERFACE_FIELDS.device_id);

export const parseVolumeId = (text: string, field: string): string =>
  parseForm(text, field, VOLUME_FIELDS.id);

/** The kernel's limit is IFNAMSIZ: 16 with the terminating zero. */
export const parseHostInterface = (text: string, field: string): string =>
  parseForm(text, field, INTERFACE_FIELDS["overrides.bridge_name"]);

/** Accepts what Go's parser does for six octets: colons, dashes, or dots between groups of four digits. */
export const parseMac = (text: string, field: string): MacAddress => {
  const digits = parseForm(text, field, INTERFACE_FIELDS.guest_mac).toLowerCase().replaceAll(/[:.-]/g, "");
  const mac = (digits.match(/../g) ?? []).join(":");
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
