/**
 * A user for each jail, that no other jail has: `<base>/uids/<number>` says whose it is. Made exclusively, so that two
 * never get the same; derived from the VM's uid, so that after a crash the same one is found again.
 */
import { createHash } from "node:crypto";
import { mkdir, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { FlintlockError } from "@flintlock/core";

export interface UserIdRange {
  readonly first: number;
  readonly count: number;
}

const directoryOf = (baseDir: string): string => join(baseDir, "uids");

/** @throws FlintlockError `exhausted` – all are taken */
export const reserveUserId = async (
  baseDir: string,
  vmUid: string,
  { first, count }: UserIdRange,
): Promise<number> => {
  const directory = directoryOf(baseDir);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const start = createHash("sha256").update(vmUid).digest().readUInt32BE() % count;
  for (let step = 0; step < count; step++) {
    const uid = first + ((start + step) % count);
    if (await take(join(directory, String(uid)), vmUid)) return uid;
  }
  throw new FlintlockError("exhausted", `all ${count} user ids for jails are in use`, {
    hint: "Widen --firecracker-jail-uids.",
  });
};

/** Another's is left to it. */
export const releaseUserId = async (baseDir: string, vmUid: string, uid: number): Promise<void> => {
  const path = join(directoryOf(baseDir), String(uid));
  if ((await holderOf(path)) === vmUid) await rm(path, { force: true });
};

const take = async (path: string, vmUid: string): Promise<boolean> => {
  try {
    await using file = await open(path, "wx", 0o600);
    await file.writeFile(vmUid);
    return true;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    return (await holderOf(path)) === vmUid;
  }
};

const holderOf = async (path: string): Promise<string | undefined> =>
  await readFile(path, "utf8").catch(() => undefined);
