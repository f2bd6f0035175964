/**
 * The images that come with Flintlock live in an OCI layout beside the program, not in a registry. They are brought into
 * the store when first asked for, and again when the layout was rebuilt.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { FlintlockError, type ImageLoader, type ImageStore, type OciReference } from "@flintlock/core";

export const BUNDLED_PREFIX = "flintlock.local/";
export const BUNDLED_KERNEL = "flintlock.local/kernel:latest" as OciReference;
export const BUNDLED_ROOT = "flintlock.local/busybox:latest" as OciReference;

/** `store`, with references below `flintlock.local/` served from `directory` and never from a network. */
export const withBundledImages = (
  store: ImageStore & ImageLoader,
  directory: string,
): ImageStore & ImageLoader => {
  let loaded: { readonly version: string; readonly done: Promise<void> } | undefined;

  const ensureLoaded = async (): Promise<void> => {
    const version = await layoutVersion(directory);
    if (version === undefined) return;
    if (loaded?.version !== version) {
      // Shared by all who wait, so that no single caller may cut it off.
      const done = store.loadLayout(directory, new AbortController().signal).then(() => undefined);
      loaded = { version, done };
      // A failure is thrown to whoever waits, and tried again by the next.
      done.catch(() => {
        loaded = undefined;
      });
    }
    await loaded.done;
  };

  return {
    ...bind(store),
    async pull(reference, options, signal) {
      if (!reference.startsWith(BUNDLED_PREFIX)) return store.pull(reference, options, signal);
      const [name = "", digest] = reference.split("@");
      for (const isSecondTry of [false, true]) {
        // Somebody may have removed it since it was loaded.
        if (isSecondTry) loaded = undefined;
        await ensureLoaded();
        const image = await store.find((digest ?? name) as OciReference);
        if (image !== undefined) return image;
      }
      throw new FlintlockError("not_found", `bundled image ${reference} not found`, {
        hint: "run: npm run guest-images",
      });
    },
  };
};

const bind = (store: ImageStore & ImageLoader): ImageStore & ImageLoader => ({
  pull: store.pull.bind(store),
  find: store.find.bind(store),
  list: store.list.bind(store),
  file: store.file.bind(store),
  baseDisk: store.baseDisk.bind(store),
  remove: store.remove.bind(store),
  prune: store.prune.bind(store),
  load: store.load.bind(store),
  loadLayout: store.loadLayout.bind(store),
});

/** Changes when the layout is rebuilt; undefined when there is none. */
const layoutVersion = async (directory: string): Promise<string | undefined> => {
  try {
    const { mtimeMs, ino } = await stat(join(directory, "index.json"));
    return `${ino}-${mtimeMs}`;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
};
