/** The images on the daemon's host. */
import { createReadStream } from "node:fs";
import type { Image, Progress, PullResponse } from "@flintlock/api";
import { ClientError } from "./client-error.ts";
import type { Client } from "./create-client.ts";
import type { Abortable, DaemonLink } from "./daemon-link.ts";

export interface PullOptions extends Abortable {
  /** "always" asks the registry again; "missing" when absent */
  readonly policy?: "missing" | "always" | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

export interface LoadOptions extends Abortable {
  /** Name for an image that carries none */
  readonly reference?: string | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

const CHUNK_BYTES = 256 * 1024;

export class ImageStore {
  readonly #link: DaemonLink;

  /** @internal */
  constructor(link: DaemonLink) {
    this.#link = link;
  }

  /** Fetches an image, unless it is there. */
  pull(reference: string, { policy = "missing", onProgress, signal }: PullOptions = {}): Promise<Image> {
    return this.#link.repeatStream(
      async (client, call) => last(client.images.pull({ reference, policy }, call), onProgress),
      { signal },
    );
  }

  /** Takes an OCI or docker-save archive, by its path or as bytes. Sent once. */
  async load(
    source: string | AsyncIterable<Uint8Array>,
    { reference = "", onProgress, signal }: LoadOptions = {},
  ): Promise<Image> {
    const bytes = typeof source === "string" ? createReadStream(source) : source;
    const client = await this.#link.ready({ signal });
    return last(uploadImage(client, bytes, { reference, signal }), onProgress);
  }

  async list({ signal }: Abortable = {}): Promise<readonly Image[]> {
    return (await this.#link.repeat((client, call) => client.images.list({}, call), { signal })).images;
  }

  inspect(reference: string, { signal }: Abortable = {}): Promise<Image> {
    return this.#link.repeat((client, call) => client.images.inspect({ reference }, call), { signal });
  }

  /** Refused while a microVM uses it. */
  async remove(reference: string, { signal }: Abortable = {}): Promise<void> {
    await this.#link.once((client, call) => client.images.remove({ reference }, call), { signal });
  }

  /** Removes what no microVM uses; returns how many bytes that were. */
  async prune({ signal }: Abortable = {}): Promise<number> {
    const { freedBytes } = await this.#link.once((client, call) => client.images.prune({}, call), { signal });
    return Number(freedBytes);
  }
}

const last = async (
  responses: AsyncIterable<PullResponse>,
  onProgress: ((progress: Progress) => void) | undefined,
): Promise<Image> => {
  let image: Image | undefined;
  for await (const { payload } of responses) {
    if (payload.case === "progress") onProgress?.(payload.value);
    if (payload.case === "image") image = payload.value;
  }
  if (image !== undefined) return image;
  throw new ClientError("internal", "the daemon named no image at the end");
};

export interface Upload extends Abortable {
  readonly reference: string;
  readonly onSent?: (doneBytes: number) => void;
}

/** Sends while it receives. When the daemon ends the call early, its word on why is what counts. */
export const uploadImage = async function* (
  client: Client,
  bytes: AsyncIterable<Uint8Array | string>,
  { reference, signal, onSent }: Upload,
): AsyncGenerator<PullResponse> {
  const call = client.images.load({ signal });
  let isOver = false;
  const send = async () => {
    await call.write({ payload: { case: "start", value: { reference } } });
    let sent = 0;
    for await (const chunk of bytes) {
      const data = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
      for (let at = 0; at < data.length && !isOver; at += CHUNK_BYTES) {
        await call.write({ payload: { case: "data", value: data.subarray(at, at + CHUNK_BYTES) } });
      }
      if (isOver) return;
      sent += data.length;
      onSent?.(sent);
    }
    call.end();
  };
  let failure: unknown;
  const sending = send().catch((error: unknown) => {
    failure = error;
    call.cancel();
  });
  try {
    yield* call.responses;
  } catch (error) {
    throw failure ?? error;
  } finally {
    isOver = true;
    call.cancel();
  }
  await sending;
};
