import type { IncomingMessage } from "node:http";
import { canceled } from "../errors.ts";
import { bodyTooLarge } from "./responses.ts";

/**
 * A body somewhat too long is read to its end and dropped: closing a TCP connection with unread bytes resets it,
 * and the client would see that instead of the answer.
 */
const DISCARD_FACTOR = 4;

/**
 * The whole body.
 * @throws FlintlockError `exhausted` – longer than `maxBytes`; `canceled` – the client went away
 */
export const readBody = (request: IncomingMessage, maxBytes: number): Promise<Uint8Array> =>
  new Promise((resolve, reject) => {
    const giveUp = maxBytes * DISCARD_FACTOR;
    if (Number(request.headers["content-length"] ?? 0) > giveUp) {
      reject(bodyTooLarge(maxBytes));
      return;
    }
    let chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.byteLength;
      if (size <= maxBytes) {
        chunks.push(chunk);
        return;
      }
      chunks = [];
      if (size <= giveUp) return;
      request.pause();
      reject(bodyTooLarge(maxBytes));
    });
    request.on("end", () => {
      if (size > maxBytes) reject(bodyTooLarge(maxBytes));
      else resolve(Buffer.concat(chunks));
    });
    request.on("error", () => reject(canceled()));
    request.on("close", () => reject(canceled()));
  });
