/** A tar stream into a guest. */
import { ClientError } from "./client-error.ts";
import type { Client } from "./create-client.ts";

export interface TarUpload {
  readonly target: string;
  /** A directory of the guest that is there */
  readonly path: string;
  readonly keepOwners: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Well below what the daemon takes in one message */
const MAX_PIECE_BYTES = 256 * 1024;

/**
 * Resolves when all is written. When the daemon ends the call early, its word on why is what counts.
 * @throws ClientError, or what `archive` throws
 */
export const uploadTar = async (
  client: Client,
  archive: AsyncIterable<Uint8Array | string>,
  { target, path, keepOwners, signal }: TarUpload,
): Promise<void> => {
  const call = client.microvms.copyIn({ signal });
  let isOver = false;
  let failure: { readonly error: unknown } | undefined;
  const sendAll = async (): Promise<void> => {
    await call.write({ payload: { case: "start", value: { target, path, keepOwners } } });
    for await (const piece of archive) {
      const data = typeof piece === "string" ? Buffer.from(piece) : piece;
      for (let at = 0; at < data.length && !isOver; at += MAX_PIECE_BYTES) {
        await call.write({ payload: { case: "data", value: data.subarray(at, at + MAX_PIECE_BYTES) } });
      }
      if (isOver) return;
    }
    call.end();
  };
  void sendAll().catch((error: unknown) => {
    failure = { error };
    call.cancel();
  });
  let isAnswered = false;
  try {
    for await (const _ of call.responses) isAnswered = true;
  } catch (error) {
    throw failure?.error ?? error;
  } finally {
    isOver = true;
    call.cancel();
  }
  if (!isAnswered) throw new ClientError("unavailable", "the daemon ended the copy without an answer");
};
