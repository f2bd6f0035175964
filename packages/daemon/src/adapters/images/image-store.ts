/**
 * The embedded image store: pulls from registries, keeps by content, hands out disks and files. No daemon
 * and no privilege is needed; `store/layout.ts` says where things lie.
 *
 * INVARIANTS: a blob has its name only after its size and digest were checked; a reference is written after
 * all it leads to; whatever a crash leaves is either complete, a partial download, or swept at the next start.
 */
import {
  type BaseDisk,
  type Digest,
  FlintlockError,
  type Image,
  type ImageLoader,
  type ImageStore,
  isDigest,
  type Log,
  notFound,
  type OciReference,
  type OnProgress,
  type PullOptions,
  type PullProgress,
  splitReference,
} from "@flintlock/core";
import type { ImageDisks } from "./image-disks.ts";
import { ArchiveLoader } from "./load/archive-loader.ts";
import { RegistryAuth } from "./registry/auth.ts";
import { RegistryClient } from "./registry/client.ts";
import { dockerCredentials } from "./registry/docker-config.ts";
import { BlobDownloads } from "./registry/download.ts";
import { TransportPolicy } from "./registry/endpoint.ts";
import { HttpClient, type HttpLimits } from "./registry/http.ts";
import { ImagePuller } from "./registry/pull.ts";
import type { RetryLimits } from "./registry/retry.ts";
import { SharedTasks } from "./shared-tasks.ts";
import { BlobStore } from "./store/blobs.ts";
import { DerivedFiles } from "./store/derived.ts";
import { describeImage, isComplete, readImage } from "./store/images.ts";
import { StoreLayout } from "./store/layout.ts";
import { Pins } from "./store/pins.ts";
import type { HostPlatform } from "./store/platform.ts";
import { prune } from "./store/prune.ts";
import { type ReferenceRecord, ReferenceStore } from "./store/references.ts";

export interface ImageStoreOptions {
  /** Folder of the store; made if missing */
  readonly root: string;
  /** `host[:port]` that are spoken to over plain http */
  readonly insecureRegistries: readonly string[];
  /** docker's config.json; undefined = anonymous */
  readonly dockerConfigPath?: string | undefined;
  readonly platform: HostPlatform;
  readonly disks: ImageDisks;
  readonly log: Log;
  /** Deadlines and back-off, for tests; the defaults are right for production */
  readonly network?: Partial<HttpLimits & RetryLimits>;
}

const DEFAULT_NETWORK: HttpLimits & RetryLimits = {
  responseTimeoutMs: 30_000,
  idleTimeoutMs: 30_000,
  maxTries: 5,
  baseDelayMs: 500,
  maxDelayMs: 30_000,
};

/** Opens the store, sweeping what a crash left half done. */
export const createImageStore = async (options: ImageStoreOptions): Promise<ImageStore & ImageLoader> => {
  const { log, platform, disks, dockerConfigPath } = options;
  const blobs = new BlobStore(await StoreLayout.open(options.root));
  const references = new ReferenceStore(blobs.layout, log);
  const pins = new Pins();

  const network = { ...DEFAULT_NETWORK, ...options.network };
  const policy = new TransportPolicy(options.insecureRegistries);
  const http = new HttpClient(policy, network);
  const findCredentials =
    dockerConfigPath === undefined ? async () => undefined : dockerCredentials(dockerConfigPath, log);
  const auth = new RegistryAuth(http, findCredentials);
  const client = new RegistryClient({ http, auth, policy, retry: network, log });
  const downloads = new BlobDownloads(client, blobs);

  return new EmbeddedImageStore({
    blobs,
    references,
    pins,
    log,
    puller: new ImagePuller({ client, downloads, blobs, references, pins, platform, log }),
    loader: new ArchiveLoader({ blobs, references, pins, platform, log }),
    derived: new DerivedFiles(blobs, pins, disks),
  });
};

interface EmbeddedImageStoreParts {
  readonly blobs: BlobStore;
  readonly references: ReferenceStore;
  readonly pins: Pins;
  readonly puller: ImagePuller;
  readonly loader: ArchiveLoader;
  readonly derived: DerivedFiles;
  readonly log: Log;
}

class EmbeddedImageStore implements ImageStore, ImageLoader {
  readonly #parts: EmbeddedImageStoreParts;
  readonly #pulls = new SharedTasks<Image, PullProgress>();

  constructor(parts: EmbeddedImageStoreParts) {
    this.#parts = parts;
  }

  async pull(reference: OciReference, options: PullOptions, signal: AbortSignal): Promise<Image> {
    signal.throwIfAborted();
    // What a digest names cannot change, so `always` has nothing to ask.
    const maySkip = options.policy !== "always" || splitReference(reference).digest !== undefined;
    const present = maySkip ? await this.find(reference) : undefined;
    if (present !== undefined) return present;
    if (options.policy === "never") {
      throw new FlintlockError("not_found", `image ${reference} is not on this host`, {
        hint: "Pull it first, or let the pull policy be missing or always.",
      });
    }
    const work = async (shared: AbortSignal, report: OnProgress) =>
      describeImage(reference, await this.#parts.puller.pull(reference, report, shared));
    return this.#pulls.run(reference, work, signal, options.onProgress);
  }

  async find(referenceOrDigest: OciReference | Digest): Promise<Image | undefined> {
    const record = await this.#recordOf(referenceOrDigest);
    return record === undefined ? undefined : this.#describe(record);
  }

  async list(): Promise<readonly Image[]> {
    const images: Image[] = [];
    for (const record of await this.#parts.references.list()) {
      const image = await this.#describe(record);
      if (image !== undefined) images.push(image);
    }
    return images;
  }

  async file(digest: Digest, path: string, signal: AbortSignal): Promise<string> {
    return this.#parts.derived.file(digest, path, signal);
  }

  async baseDisk(digest: Digest, sizeMib: number | undefined, signal: AbortSignal): Promise<BaseDisk> {
    return this.#parts.derived.baseDisk(digest, sizeMib, signal);
  }

  async remove(reference: OciReference): Promise<void> {
    if (!(await this.#parts.references.remove(reference))) throw notFound(`image ${reference}`);
  }

  async prune(keep: ReadonlySet<Digest>): Promise<number> {
    return prune(this.#parts, keep);
  }

  async load(
    archive: AsyncIterable<Uint8Array>,
    reference: OciReference | undefined,
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<readonly Image[]> {
    return this.#parts.loader.load(archive, reference, onProgress, signal);
  }

  async loadLayout(directory: string, signal: AbortSignal): Promise<readonly Image[]> {
    return this.#parts.loader.loadLayout(directory, signal);
  }

  async #recordOf(referenceOrDigest: OciReference | Digest): Promise<ReferenceRecord | undefined> {
    const { references } = this.#parts;
    if (isDigest(referenceOrDigest)) return references.origin(referenceOrDigest);
    const record = await references.get(referenceOrDigest);
    const { digest } = splitReference(referenceOrDigest);
    if (record !== undefined || digest === undefined) return record;
    // Pulled by tag and asked for by digest: the same image, if it came from the same repository.
    const origin = await references.origin(digest);
    return origin?.reference === referenceOrDigest ? origin : undefined;
  }

  /** Undefined for what is not whole: to the caller a damaged image is an absent one, and a pull mends it. */
  async #describe({ reference, digest }: ReferenceRecord): Promise<Image | undefined> {
    const { blobs, log } = this.#parts;
    try {
      const image = await readImage(blobs, digest);
      if (image === undefined || !(await isComplete(blobs, image))) return undefined;
      return describeImage(reference, image);
    } catch (error) {
      if (!(error instanceof FlintlockError && error.code === "data_loss")) throw error;
      log.warn("stored image is damaged", { reference, digest, error: error.message });
      return undefined;
    }
  }
}
