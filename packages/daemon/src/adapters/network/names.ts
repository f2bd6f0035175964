import { createHash } from "node:crypto";

const PREFIX = "fltap";
/** Lower-case base32 without look-alikes */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
/** IFNAMSIZ is 16 with the final NUL; the rest carries 50 bits */
const NAME_LENGTH = 15;

/** The TAP device of one interface of one VM: a function of both, so that it is found without a record. */
export const hostDeviceName = (uid: string, deviceId: string): string => {
  const digest = createHash("sha256").update(`${uid}\0${deviceId}`).digest();
  const letters = [...digest].map((byte) => ALPHABET.charAt(byte % ALPHABET.length));
  return `${PREFIX}${letters.join("")}`.slice(0, NAME_LENGTH);
};
