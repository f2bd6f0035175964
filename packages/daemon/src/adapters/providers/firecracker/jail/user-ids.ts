/**
 * A user for each jail, that no other jail has. `<base>/uids/<number>` says whose it is; made exclusively, so that two
 * never get the same. A link by the VM's uid finds it again, for a VM keeps its user as long as it lives: its TAP devices
 * are that user's. Of a VM whose directory is gone it is taken back when its turn comes.
 */
import { createHash } from "node:crypto";
import { access, mkdir, open, readlink, rename, rm, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import { FlintlockError, type MachineRef } from "@flintlock/core";
import { readJson } from "../../shared/vm-files.ts";

export interface UserIdRange {
  readonly first: number;
  readonly count: number;
}

/** A VM has its user before it has a directory */
const ABANDONED_MS = 600_000;

/** The VM's user, reserved when it has none. @throws FlintlockError `exhausted` – all are taken */
export const userIdOf = async (
  baseDir: string,
  vm: MachineRef,
  { first, count }: UserIdRange,
): Promise<number> => {
  const directory = join(baseDir, "uids");
  const known = await reserved(directory, vm);
  if (known !== undefined && known >= first && known < first + count) return known;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const start = createHash("sha256").update(vm.uid).digest().readUInt32BE() % count;
  for (let step = 0; step < count; step++) {
    const uid = first + ((start + step) % count);
    if (!(await take(join(directory, String(uid)), vm))) continue;
    const link = join(directory, vm.uid);
    await rm(`${link}.tmp`, { force: true });
    await symlink(String(uid), `${link}.tmp`);
    await rename(`${link}.tmp`, link);
    return uid;
  }
  throw new FlintlockError("exhausted", `all ${count} user ids for jails are in use`, {
    hint: "Widen --firecracker-jail-uids.",
  });
};

const reserved = async (directory: string, vm: MachineRef): Promise<number | undefined> => {
  const name = await readlink(join(directory, vm.uid)).catch(() => undefined);
  if (name === undefined || !/^\d{1,10}$/.test(name)) return undefined;
  return (await holderOf(join(directory, name)))?.uid === vm.uid ? Number(name) : undefined;
};

const take = async (path: string, vm: MachineRef): Promise<boolean> => {
  if (await isAbandoned(path)) await rm(path, { force: true });
  try {
    await using file = await open(path, "wx", 0o600);
    await file.writeFile(JSON.stringify({ uid: vm.uid, directory: vm.directory }));
    return true;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    return (await holderOf(path))?.uid === vm.uid;
  }
};

const isAbandoned = async (path: string): Promise<boolean> => {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || Date.now() - found.mtimeMs < ABANDONED_MS) return false;
  const holder = await holderOf(path);
  if (holder === undefined) return true; // Torn by a crash.
  const isThere = await access(holder.directory).then(
    () => true,
    () => false,
  );
  if (!isThere) await rm(join(path, "..", holder.uid), { force: true });
  return !isThere;
};

const holderOf = async (
  path: string,
): Promise<{ readonly uid: string; readonly directory: string } | undefined> => {
  const { uid, directory } = (await readJson(path)) ?? {};
  if (typeof uid !== "string" || !/^[0-9A-Za-z-]{1,64}$/.test(uid)) return undefined;
  return typeof directory === "string" ? { uid, directory } : undefined;
};
