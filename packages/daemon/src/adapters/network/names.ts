import { createHash } from "node:crypto";

/** Upstream's prefixes, by type */
const PREFIXES = { tap: "fltap", macvtap: "flvtap" } as const;
/** Lower-case base32 without look-alikes */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
/** IFNAMSIZ is 16 with the final NUL; the rest carries 50 bits */
const NAME_LENGTH = 15;

export type LinkType = keyof typeof PREFIXES;

/** The host end of one interface of one VM: a function of both, so that it is found without a record. */
export const hostDeviceName = (uid: string, deviceId: string, type: LinkType): string => {
  const letters = [...digestOf(uid, deviceId)].map((byte) => ALPHABET.charAt(byte % ALPHABET.length));
  return `${PREFIXES[type]}${letters.join("")}`.slice(0, NAME_LENGTH);
};

/** Above what the kernel counts up to by itself, and a positive int32 */
const [LOWEST_INDEX, INDEX_COUNT] = [2 ** 24, 2 ** 30];

/**
 * The kernel's number for a MACVTAP device. Its node in /dev is named after it, and there is one /dev for all network
 * namespaces, which all count from 1: numbers of their own would collide.
 */
export const hostDeviceIndex = (uid: string, deviceId: string): number =>
  LOWEST_INDEX + (digestOf(uid, deviceId).readUInt32BE(NAME_LENGTH) % INDEX_COUNT);

const digestOf = (uid: string, deviceId: string): Buffer =>
  createHash("sha256").update(`${uid}\0${deviceId}`).digest();
