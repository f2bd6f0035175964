/**
 * One blob from a registry into the content store, resumed where an earlier transfer broke off.
 *
 * The partial file is only ever appended to; what it holds is hashed again before more is added, and the
 * whole must match size and digest before it gets a name in the store.
 */
import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import { FlintlockError, type ReferenceParts } from "@flintlock/core";
import { KeyedLock } from "../keyed-lock.ts";
import { type BlobStore, writeAll } from "../store/blobs.ts";
import { explainFull } from "../store/durable-file.ts";
import { digestOfHex } from "../store/layout.ts";
import type { Descriptor } from "../store/manifest.ts";
import type { RegistryClient } from "./client.ts";
import { parseContentRange } from "./content-range.ts";
import type { HttpResponse } from "./http.ts";
import { withRetries } from "./retry.ts";
import { TransportError } from "./transport-error.ts";

const HASH_CHUNK_BYTES = 1024 * 1024;

export class BlobDownloads {
  readonly #client: RegistryClient;
  readonly #blobs: BlobStore;
  // Images that share a layer wait for each other rather than writing one partial file twice.
  readonly #locks = new KeyedLock();

  constructor(client: RegistryClient, blobs: BlobStore) {
    this.#client = client;
    this.#blobs = blobs;
  }

  /**
   * Makes the blob present. `onBytes` hears how many of its bytes are here.
   * @throws FlintlockError `data_loss` – wrong size or digest, nothing is kept; `exhausted` – disk full; and
   *   what the registry answers
   */
  async ensure(
    repository: Pick<ReferenceParts, "registry" | "repository">,
    blob: Descriptor,
    onBytes: (doneBytes: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#locks.run(blob.digest, signal, async () => {
      if (!(await this.#blobs.has(blob))) await this.#download(repository, blob, onBytes, signal);
      onBytes(blob.sizeBytes);
    });
  }

  async #download(
    repository: Pick<ReferenceParts, "registry" | "repository">,
    blob: Descriptor,
    onBytes: (doneBytes: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const path = this.#blobs.layout.partial(blob.digest);
    const file = await open(path, "a+", 0o600);
    try {
      const transfer = await Transfer.resume(file, blob, signal);
      for (;;) {
        const startedAt = transfer.doneBytes;
        onBytes(startedAt);
        await this.#fetchRest(repository, transfer, onBytes, signal);
        if (transfer.digest() === blob.digest) break;
        await transfer.restart();
        // What lay here before may be what a power cut left of a file, so the registry gets one clean chance.
        if (startedAt > 0) continue;
        throw new FlintlockError("data_loss", `the registry sent other bytes than ${blob.digest} promises`);
      }
    } catch (error) {
      // An interrupted transfer is kept for the next call; a wrong one is not.
      if (error instanceof FlintlockError && error.code === "data_loss") await rm(path, { force: true });
      throw explainFull(error);
    } finally {
      await file.close();
    }
    await this.#blobs.adopt(path, blob.digest);
  }

  async #fetchRest(
    repository: Pick<ReferenceParts, "registry" | "repository">,
    transfer: Transfer,
    onBytes: (doneBytes: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    let doneBefore = transfer.doneBytes;
    const fetch = async () => {
      doneBefore = transfer.doneBytes;
      if (transfer.isFull) return;
      const range: Record<string, string> =
        transfer.doneBytes === 0 ? {} : { range: `bytes=${transfer.doneBytes}-` };
      const response = await this.#client.get(repository, `blobs/${transfer.blob.digest}`, range, signal);
      try {
        await transfer.position(response);
        for await (const chunk of response.body()) {
          await transfer.append(chunk);
          onBytes(transfer.doneBytes);
        }
      } finally {
        response.discard();
      }
      transfer.checkEnd(response);
    };
    await withRetries(
      this.#client.retryScope(repository.registry),
      fetch,
      signal,
      () => transfer.doneBytes > doneBefore,
    );
  }
}

/** The bytes so far of one blob, on disk and in the hash. */
class Transfer {
  readonly blob: Descriptor;
  readonly #file: FileHandle;
  #hash: Hash = createHash("sha256");
  doneBytes = 0;

  private constructor(file: FileHandle, blob: Descriptor) {
    this.#file = file;
    this.blob = blob;
  }

  static async resume(file: FileHandle, blob: Descriptor, signal: AbortSignal): Promise<Transfer> {
    const transfer = new Transfer(file, blob);
    const { size } = await file.stat();
    if (size > blob.sizeBytes) await transfer.restart();
    else await transfer.#hashExisting(size, signal);
    return transfer;
  }

  get isFull(): boolean {
    return this.doneBytes === this.blob.sizeBytes;
  }

  /** Drops every byte. */
  async restart(): Promise<void> {
    await this.#file.truncate(0);
    this.#hash = createHash("sha256");
    this.doneBytes = 0;
  }

  /** Makes the next byte of `response` the next byte of the blob, or refuses the response. */
  async position(response: HttpResponse): Promise<void> {
    if (response.status === 416) {
      await this.restart();
      throw new TransportError(`${response.url.host} does not have the range that is missing`);
    }
    if (response.status === 206) {
      const range = parseContentRange(response.headers["content-range"]);
      const fits =
        range?.start === this.doneBytes && (range.total === undefined || range.total === this.blob.sizeBytes);
      if (fits) return;
      await this.restart();
      throw new TransportError(`${response.url.host} sent another range than was asked for`);
    }
    // 200: the server ignored the range and begins at the beginning.
    const length = response.headers["content-length"];
    if (length !== undefined && Number(length) !== this.blob.sizeBytes) throw this.#wrongSize(length);
    if (this.doneBytes > 0) await this.restart();
  }

  async append(chunk: Uint8Array): Promise<void> {
    if (this.doneBytes + chunk.length > this.blob.sizeBytes) throw this.#wrongSize("more");
    await writeAll(this.#file, chunk);
    this.#hash.update(chunk);
    this.doneBytes += chunk.length;
  }

  /** A whole answer that ends early is a wrong one; a partial answer may be one of several. */
  checkEnd(response: HttpResponse): void {
    if (this.isFull) return;
    if (response.status === 200) throw this.#wrongSize(String(this.doneBytes));
    throw new TransportError(`${response.url.host} sent a part only`);
  }

  digest(): string {
    return digestOfHex(this.#hash.copy().digest("hex"));
  }

  async #hashExisting(size: number, signal: AbortSignal): Promise<void> {
    const buffer = Buffer.allocUnsafe(Math.min(size, HASH_CHUNK_BYTES));
    while (this.doneBytes < size) {
      signal.throwIfAborted();
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, this.doneBytes);
      if (bytesRead === 0) break;
      this.#hash.update(buffer.subarray(0, bytesRead));
      this.doneBytes += bytesRead;
    }
  }

  #wrongSize(sent: string): FlintlockError {
    const { digest, sizeBytes } = this.blob;
    return new FlintlockError(
      "data_loss",
      `the registry sent ${sent} bytes for ${digest} instead of ${sizeBytes}`,
    );
  }
}
