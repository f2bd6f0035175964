import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  FlintlockError,
  type ImageLoader,
  type ImageStore,
  type OciReference,
  type PullProgress,
  parseReference,
  silentLog,
} from "@flintlock/core";
import type { ImageDisks } from "../../../../packages/daemon/src/adapters/images/image-disks.ts";
import {
  createImageStore,
  type ImageStoreOptions,
} from "../../../../packages/daemon/src/adapters/images/image-store.ts";

export const ref = (text: string): OciReference => parseReference(text, "image");

/** For tests that count disks rather than mount them: lists what it was given. */
export const listingDisks = (): ImageDisks & { readonly made: string[] } => {
  const made: string[] = [];
  const write = async (name: string, target: string, layers: readonly { readonly diffId: string }[]) => {
    made.push(name);
    const text = `${name}\n${layers.map(({ diffId }) => diffId).join("\n")}\n`;
    await writeFile(target, text, { flag: "wx" });
    return { sizeBytes: text.length };
  };
  return {
    made,
    writeDisk: (layers, target, sizeMib) => write(`disk ${sizeMib}`, target, layers),
    extractFile: async (layers, path, target) => {
      await write(`file ${path}`, target, layers);
    },
  };
};

export const openStore = (
  root: string,
  options: Partial<ImageStoreOptions> = {},
): Promise<ImageStore & ImageLoader> =>
  createImageStore({
    root,
    insecureRegistries: ["127.0.0.1"],
    platform: { os: "linux", architecture: "amd64" },
    disks: listingDisks(),
    log: silentLog,
    ...options,
    network: { baseDelayMs: 5, maxDelayMs: 200, ...options.network },
  });

export const pullNow = (
  store: ImageStore,
  reference: OciReference,
  onProgress: (progress: PullProgress) => void = () => {},
) => store.pull(reference, { policy: "missing", onProgress }, within(60_000));

/** The error a promise fails with; fails itself when there is none or another kind. */
export const failure = async (work: Promise<unknown>): Promise<FlintlockError> => {
  try {
    await work;
  } catch (error) {
    if (error instanceof FlintlockError) return error;
    throw error;
  }
  throw new Error("it succeeded");
};

export const namesIn = async (root: string, ...folders: readonly string[]): Promise<readonly string[]> =>
  (await readdir(join(root, ...folders))).sort();

/** A signal for work that must not hang a test. */
export const within = (ms: number): AbortSignal => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error(`not done within ${ms} ms`)), ms).unref();
  return controller.signal;
};
