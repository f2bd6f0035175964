import { createHash } from "node:crypto";

/** VIRTIO_BLK_ID_BYTES */
const MAX_SERIAL_BYTES = 20;

/** A volume's id as its disk's serial number, or its hash where that is too long. */
export const diskSerial = (volumeId: string): string =>
  Buffer.byteLength(volumeId) <= MAX_SERIAL_BYTES
    ? volumeId
    : createHash("sha256").update(volumeId).digest("hex").slice(0, MAX_SERIAL_BYTES);
