/**
 * Which directories of the host guests may be given: those below a root that the operator named, by their real paths.
 *
 * A path is only words: whoever may write below a root, such as another guest, can put a link where a directory was. So
 * what is shared is an open directory of which the kernel says where it is, and who serves it is compared with that one.
 */
import { constants, realpathSync } from "node:fs";
import { type FileHandle, open, readlink, realpath } from "node:fs/promises";
import { isAbsolute, sep } from "node:path";
import { FlintlockError } from "@flintlock/core";

export interface SharedRoots {
  /** Real paths */
  readonly roots: readonly string[];
  /** Why this directory is not shared; undefined = it may be */
  refusal(path: string): Promise<string | undefined>;
  /**
   * Opens it for whoever serves it; the caller closes it.
   * @throws FlintlockError `permission_denied` – it is not, or no longer, below a root
   */
  open(path: string): Promise<SharedDirectory>;
}

export interface SharedDirectory {
  readonly handle: FileHandle;
  /** Without links when it was opened */
  readonly realPath: string;
}

/** Roots that do not exist are left out. */
export const createSharedRoots = (directories: readonly string[]): SharedRoots => {
  const roots = directories.flatMap(existing);
  const isBelow = (path: string): boolean =>
    roots.some((root) => path === root || path.startsWith(root === sep ? sep : `${root}${sep}`));

  const openBelow = async (path: string): Promise<SharedDirectory | string> => {
    if (!isAbsolute(path)) return "must be an absolute path";
    const real = await realpath(path).catch(() => undefined);
    // One answer for what is absent and what is elsewhere: a caller shall not learn what else is on the host.
    if (real === undefined || !isBelow(real)) return NOT_SHARED;
    const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
    const handle = await open(real, flags).catch(() => undefined);
    if (handle === undefined) return NOT_A_DIRECTORY;
    // Where it is by the kernel's word, whatever the path led over.
    if ((await readlink(`/proc/self/fd/${handle.fd}`).catch(() => "")) === real)
      return { handle, realPath: real };
    await handle.close();
    return NOT_SHARED;
  };

  return {
    roots,
    async refusal(path) {
      const found = await openBelow(path);
      if (typeof found === "string") return found;
      await found.handle.close();
      return undefined;
    },
    async open(path) {
      const found = await openBelow(path);
      if (typeof found !== "string") return found;
      throw new FlintlockError("permission_denied", `virtiofs: ${path} ${found}`, { hint: HINT });
    },
  };
};

const NOT_SHARED = "is no directory that this host shares";
const NOT_A_DIRECTORY = "is not a directory that can be opened";
const HINT = "The operator names the roots with --virtiofs-root.";

const existing = (directory: string): readonly string[] => {
  try {
    return [realpathSync(directory)];
  } catch {
    return []; // Nothing can be below it.
  }
};
