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
  const digest = createHash("sha256").update(`${uid}\0${deviceId}`).digest();
  const letters = [...digest].map((byte) => ALPHABET.charAt(byte % ALPHABET.length));
  return `${PREFIXES[type]}${letters.join("")}`.slice(0, NAME_LENGTH);
};
