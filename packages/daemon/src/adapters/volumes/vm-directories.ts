/** The directory each VM owns: `<state>/vm/<namespace>/<id>/<uid>`. */
import { lstat, mkdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { FlintlockError, type VmDirectories, type VmKey } from "@flintlock/core";

const MODE = 0o700;
/** A parent may be removed, empty, between its making and the making of its child */
const MAX_ATTEMPTS = 5;
/** What may be one component of a path, whatever the callers' rules are */
const COMPONENT = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,255}$/;

export const createVmDirectories = (stateDir: string): VmDirectories => {
  const root = join(stateDir, "vm");
  const parents = (vm: VmKey): readonly [string, string] => {
    const namespace = join(root, component(vm.namespace));
    return [namespace, join(namespace, component(vm.id))];
  };
  const path = (vm: VmKey): string => join(parents(vm)[1], component(vm.uid));

  return {
    path,

    async ensure(vm) {
      for (let attempt = 1; ; attempt++) {
        try {
          await mkdir(path(vm), { recursive: true, mode: MODE });
          return path(vm);
        } catch (error) {
          if (!isErrno(error, "ENOENT") || attempt === MAX_ATTEMPTS) throw error;
        }
      }
    },

    exists: (vm) => isDirectory(path(vm)),

    async remove(vm) {
      const [namespace, id] = parents(vm);
      // A link in place of a parent would lead out of the root; we never make one.
      if (!(await isDirectory(namespace)) || !(await isDirectory(id))) return;
      // A log's times may be written while it goes.
      await rm(path(vm), { recursive: true, force: true, maxRetries: 3 });
      for (const parent of [id, namespace]) await removeIfEmpty(parent);
    },
  };
};

const component = (text: string): string => {
  if (COMPONENT.test(text)) return text;
  throw new FlintlockError("internal", `${JSON.stringify(text.slice(0, 80))} cannot name a directory`);
};

/** Itself, not what a link points to. */
const isDirectory = async (path: string): Promise<boolean> => {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return false;
    throw error;
  }
};

const removeIfEmpty = async (path: string): Promise<void> => {
  try {
    await rmdir(path);
  } catch (error) {
    if (!isErrno(error, "ENOTEMPTY", "EEXIST", "ENOENT")) throw error;
  }
};

const isErrno = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof Error && "code" in error && codes.includes(String(error.code));
