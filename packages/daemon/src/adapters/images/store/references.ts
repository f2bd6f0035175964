/** Reference to manifest digest: one small file each, replaced whole, so a crash leaves the old or the new. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  type Digest,
  FlintlockError,
  isDigest,
  type Log,
  type OciReference,
  parseReference,
  splitReference,
} from "@flintlock/core";
import { badData, objectOf, parseJson } from "../untrusted-json.ts";
import { isMissing, readBounded, writeFileDurably } from "./durable-file.ts";
import { digestOfHex, type StoreLayout } from "./layout.ts";

const MAX_RECORD_BYTES = 16 * 1024;
const RECORD_VERSION = 1;

export interface ReferenceRecord {
  readonly reference: OciReference;
  /** Of the manifest for this host's platform */
  readonly digest: Digest;
}

export class ReferenceStore {
  readonly #layout: StoreLayout;
  readonly #log: Log;

  constructor(layout: StoreLayout, log: Log) {
    this.#layout = layout;
    this.#log = log;
  }

  /** Points `reference` at a manifest whose blobs are all stored. */
  async set({ reference, digest }: ReferenceRecord): Promise<void> {
    const { registry, repository } = splitReference(reference);
    // The origin first: a digest that a reference leads to can always be named again.
    await this.#write(this.#layout.origin(digest), {
      reference: `${registry}/${repository}@${digest}`,
      digest,
    });
    await this.#write(this.#layout.reference(reference), { reference, digest });
  }

  async get(reference: OciReference): Promise<ReferenceRecord | undefined> {
    return this.#read(this.#layout.reference(reference));
  }

  /** `repository@digest` of a manifest that was stored once, whether or not a tag still leads to it. */
  async origin(digest: Digest): Promise<ReferenceRecord | undefined> {
    return this.#read(this.#layout.origin(digest));
  }

  /** In order of reference. Unreadable records are logged and left out. */
  async list(): Promise<readonly ReferenceRecord[]> {
    const records: ReferenceRecord[] = [];
    for (const name of await readdir(this.#layout.references)) {
      try {
        const record = await this.#read(join(this.#layout.references, name));
        if (record !== undefined) records.push(record);
      } catch (error) {
        if (!(error instanceof FlintlockError && error.code === "data_loss")) throw error;
        this.#log.warn("image reference record is damaged", { file: name, error: error.message });
      }
    }
    return records.sort((a, b) => (a.reference < b.reference ? -1 : 1));
  }

  /** Whether there was one. */
  async remove(reference: OciReference): Promise<boolean> {
    try {
      await rm(this.#layout.reference(reference));
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** Forgets the origins of manifests that are not in `keep`. */
  async pruneOrigins(keep: ReadonlySet<Digest>): Promise<void> {
    for (const name of await readdir(this.#layout.origins)) {
      const hex = /^([0-9a-f]{64})\.json$/.exec(name)?.[1];
      if (hex !== undefined && keep.has(digestOfHex(hex))) continue;
      await rm(join(this.#layout.origins, name), { force: true });
    }
  }

  async #read(path: string): Promise<ReferenceRecord | undefined> {
    const bytes = await readBounded(path, MAX_RECORD_BYTES);
    return bytes === undefined ? undefined : parseRecord(bytes);
  }

  async #write(path: string, record: ReferenceRecordText): Promise<void> {
    const text = `${JSON.stringify({ version: RECORD_VERSION, ...record })}\n`;
    await writeFileDurably(this.#layout.ingest, path, text);
  }
}

interface ReferenceRecordText {
  readonly reference: string;
  readonly digest: string;
}

const parseRecord = (bytes: Uint8Array): ReferenceRecord => {
  const record = objectOf(parseJson(bytes, "the reference record"), "the reference record");
  const { version, reference, digest } = record;
  if (version !== RECORD_VERSION || typeof reference !== "string" || typeof digest !== "string") {
    throw badData("the reference record is not of a version this program knows");
  }
  if (!isDigest(digest)) throw badData("the reference record has no digest");
  return { reference: parseReference(reference, "reference"), digest };
};
