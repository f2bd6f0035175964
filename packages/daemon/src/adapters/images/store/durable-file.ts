/** Temp name, fsync, rename, fsync of the directory: after a crash a file is whole or not there. */
import { randomUUID } from "node:crypto";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { FlintlockError } from "@flintlock/core";

/** A name in `directory` that nobody has; whatever lies under such a name is garbage after a crash. */
export const temporaryPath = (directory: string): string => join(directory, `tmp-${randomUUID()}`);

/** Makes `temporary` durable and gives it the name `target`, replacing what was there. */
export const commitFile = async (temporary: string, target: string): Promise<void> => {
  await syncPath(temporary);
  await rename(temporary, target);
  await syncPath(dirname(target));
};

/** Writes a small file durably; readers see the old content or the new. */
export const writeFileDurably = async (
  temporaries: string,
  target: string,
  content: Uint8Array | string,
): Promise<void> => {
  const temporary = temporaryPath(temporaries);
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(content);
    } finally {
      await file.close();
    }
    await commitFile(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw explainFull(error);
  }
};

export const ensureDirectory = async (path: string): Promise<void> => {
  await mkdir(path, { recursive: true, mode: 0o700 });
};

/** Size in bytes of a regular file, or undefined when there is none. */
export const fileSize = async (path: string): Promise<number | undefined> => {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
};

/** Reads at most `maxBytes`; undefined when there is no such file. @throws FlintlockError `data_loss` – it is larger */
export const readBounded = async (path: string, maxBytes: number): Promise<Uint8Array | undefined> => {
  try {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      if (size > maxBytes) {
        throw new FlintlockError("data_loss", `a file of ${size} bytes is over the limit of ${maxBytes}`, {
          cause: new Error(path),
        });
      }
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
};

export const isMissing = (error: unknown): boolean => hasErrorCode(error, "ENOENT", "ENOTDIR");

export const hasErrorCode = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof Error && "code" in error && codes.includes(String(error.code));

/** A full disk is something the caller can act on; everything else passes through. */
export const explainFull = (error: unknown): unknown =>
  hasErrorCode(error, "ENOSPC", "EDQUOT")
    ? new FlintlockError("exhausted", "the disk of the image store is full", {
        cause: error,
        hint: "Free space, or remove unused images and prune.",
      })
    : error;

const syncPath = async (path: string): Promise<void> => {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};
