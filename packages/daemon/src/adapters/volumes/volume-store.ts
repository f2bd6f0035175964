/**
 * Per-VM disks in the VM's directory. A writable volume is a copy-on-write overlay (qcow2) or a sparse copy (raw)
 * of its base; a read-only one is the base itself; one with a partition's UUID is a sparse copy with a partition table.
 *
 *     volume-<hash>.qcow2|raw   the disk, when it is the VM's own
 *     volume-<hash>.json        what it is; written last, so a volume without it is not complete
 *
 * The hash stands for the volume's id: an id never becomes a path. A base is never written to, nor moved.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import {
  type BaseDisk,
  type Disk,
  type DiskFormat,
  FlintlockError,
  notFound,
  type VolumeStore,
  type VolumeWish,
} from "@flintlock/core";
import { diskBytes, growFile } from "./disk-size.ts";
import { MARGIN_BYTES, partitionTable } from "./partition-table.ts";

const run = promisify(execFile);

const MANIFEST = /^volume-[0-9a-f]{24}\.json$/;
const HASH_LENGTH = 24;
const MAX_MANIFEST_BYTES = 8192;
const MAX_OUTPUT_BYTES = 64 * 1024;
const OVERLAY_TIMEOUT_MS = 60_000;
/** A full copy of a base of some gigabytes on a slow disk */
const COPY_TIMEOUT_MS = 600_000;

export interface VolumeStoreOptions {
  /** Name or path of `qemu-img` */
  readonly qemuImg?: string;
}

interface Manifest extends Disk {
  readonly volumeId: string;
}

export const createVolumeStore = ({ qemuImg = "qemu-img" }: VolumeStoreOptions = {}): VolumeStore => ({
  async ensure(directory, volumeId, base, want, signal) {
    signal.throwIfAborted();
    const stem = join(directory, `volume-${hashOf(volumeId)}`);
    const present = await readManifest(`${stem}.json`);
    if (present !== undefined && (await exists(present.path))) return kept(present, want);
    const disk = diskFor(stem, base, want);
    if (disk.path !== base.path)
      await makeDisk(base, disk, { qemuImg, partitionId: want.partitionId }, signal);
    await writeDurably(`${stem}.json`, { volumeId, ...disk } satisfies Manifest);
    return disk;
  },

  async grow(directory, volumeId, sizeBytes, signal) {
    const disk = await readManifest(join(directory, `volume-${hashOf(volumeId)}.json`));
    const hasBytes = disk && (await diskBytes(disk));
    if (disk === undefined || hasBytes === undefined) throw notFound(`the disk of volume ${volumeId}`);
    if (hasBytes >= sizeBytes) return;
    if (disk.isReadOnly)
      throw new FlintlockError("failed_precondition", `volume ${volumeId} is read-only and cannot grow`);
    if (disk.format === "qcow2") {
      const args = ["resize", "-q", "-f", "qcow2", "--", disk.path, String(sizeBytes)];
      return await tool(qemuImg, args, OVERLAY_TIMEOUT_MS, signal);
    }
    await growFile(disk.path, sizeBytes);
  },

  async observe(directory) {
    const names = (await readdir(directory).catch(absentIsEmpty)).filter((name) => MANIFEST.test(name));
    const manifests = await Promise.all(names.map((name) => readManifest(join(directory, name))));
    const sizes = new Map<string, number>();
    for (const manifest of manifests) {
      const bytes = manifest && (await diskBytes(manifest));
      if (manifest !== undefined && bytes !== undefined) sizes.set(manifest.volumeId, bytes);
    }
    return sizes;
  },
});

const diskFor = (stem: string, base: BaseDisk, want: VolumeWish): Disk => {
  const { isReadOnly } = want;
  if (want.partitionId !== undefined) return { path: `${stem}.raw`, format: "raw", isReadOnly };
  if (isReadOnly) return { path: base.path, format: "raw", isReadOnly };
  return { path: `${stem}.${want.format}`, format: want.format, isReadOnly };
};

/** What is there has the guest's data: it is kept as it is, or refused; never made anew. */
const kept = ({ volumeId, path, format, isReadOnly }: Manifest, want: VolumeWish): Disk => {
  if (isReadOnly === want.isReadOnly) return { path, format, isReadOnly };
  const is = isReadOnly ? "read-only" : "writable";
  throw new FlintlockError("failed_precondition", `volume ${volumeId} exists and is ${is}`);
};

/** Under a temporary name until it is complete and on disk. */
const makeDisk = async (
  base: BaseDisk,
  disk: Disk,
  { qemuImg, partitionId }: { readonly qemuImg: string; readonly partitionId: string | undefined },
  signal: AbortSignal,
): Promise<void> => {
  const temporary = `${disk.path}.tmp`;
  await rm(temporary, { force: true });
  const make: Record<DiskFormat, () => Promise<void>> = {
    qcow2: () => tool(qemuImg, overlayArgs(base, temporary), OVERLAY_TIMEOUT_MS, signal),
    raw: () => tool("cp", copyArgs(base, temporary), COPY_TIMEOUT_MS, signal),
  };
  if (partitionId === undefined) await make[disk.format]();
  else await makePartition(base, temporary, { qemuImg, partitionId }, signal);
  {
    await using file = await open(temporary, "r+");
    await file.chmod(0o600);
    await file.sync();
  }
  await rename(temporary, disk.path);
};

/** The base as the one partition of a disk: QEMU's tool copies it to its place, holes and all. */
const makePartition = async (
  base: BaseDisk,
  path: string,
  { qemuImg, partitionId }: { readonly qemuImg: string; readonly partitionId: string },
  signal: AbortSignal,
): Promise<void> => {
  const { sizeBytes, parts } = partitionTable(base.sizeBytes, partitionId);
  {
    await using file = await open(path, "wx", 0o600);
    await file.truncate(sizeBytes);
    for (const { bytes, offset } of parts) await file.write(bytes, 0, bytes.length, offset);
  }
  const place = `driver=raw,offset=${MARGIN_BYTES},size=${base.sizeBytes},file.driver=file`;
  // In option lists a comma ends a value, and two are one.
  const target = `${place},file.filename=${path.replaceAll(",", ",,")}`;
  const args = ["convert", "-n", "-f", "raw", "--target-image-opts", "--", base.path, target];
  await tool(qemuImg, args, COPY_TIMEOUT_MS, signal);
};

const overlayArgs = (base: BaseDisk, path: string): readonly string[] => [
  "create",
  "-q",
  "-f",
  "qcow2",
  "-F",
  "raw",
  "-b",
  base.path,
  "--",
  path,
];

const copyArgs = (base: BaseDisk, path: string): readonly string[] => [
  "--reflink=auto",
  "--sparse=always",
  "--no-preserve=mode",
  "--",
  base.path,
  path,
];

/** Runs a program without a shell. @throws FlintlockError `exhausted`, `unsupported`, `internal` with its words */
const tool = async (
  binary: string,
  args: readonly string[],
  timeout: number,
  signal: AbortSignal,
): Promise<void> => {
  const env = { LC_ALL: "C", PATH: process.env["PATH"] };
  try {
    await run(binary, args, { signal, timeout, killSignal: "SIGKILL", maxBuffer: MAX_OUTPUT_BYTES, env });
  } catch (cause) {
    signal.throwIfAborted();
    const program = basename(binary);
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") {
      const hint = "Install QEMU's tools (Debian and Ubuntu: qemu-utils).";
      throw new FlintlockError("unsupported", `${program} cannot be found`, { hint, cause });
    }
    if (String(cause).includes("No space left")) {
      throw new FlintlockError("exhausted", "no space is left for the volume", { cause });
    }
    throw new FlintlockError("internal", `${program} could not make the volume`, { cause });
  }
};

const hashOf = (volumeId: string): string =>
  createHash("sha256").update(volumeId).digest("hex").slice(0, HASH_LENGTH);

const readManifest = async (path: string): Promise<Manifest | undefined> => {
  try {
    const text = await readFile(path, "utf8");
    return text.length > MAX_MANIFEST_BYTES ? undefined : parseManifest(JSON.parse(text));
  } catch (error) {
    // Absent, or torn: the volume is made, or found, again.
    if (error instanceof SyntaxError || (error instanceof Error && "code" in error)) return undefined;
    throw error;
  }
};

const parseManifest = (value: unknown): Manifest | undefined => {
  const { volumeId, path, format, isReadOnly } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof volumeId !== "string" || typeof path !== "string" || typeof isReadOnly !== "boolean")
    return undefined;
  return format === "raw" || format === "qcow2" ? { volumeId, path, format, isReadOnly } : undefined;
};

const writeDurably = async (path: string, value: object): Promise<void> => {
  const temporary = `${path}.tmp`;
  {
    await using file = await open(temporary, "w", 0o600);
    await file.writeFile(`${JSON.stringify(value)}\n`);
    await file.sync();
  }
  await rename(temporary, path);
  await using directory = await open(dirname(path));
  await directory.sync();
};

const exists = async (path: string): Promise<boolean> =>
  await access(path).then(
    () => true,
    () => false,
  );

const absentIsEmpty = (error: unknown): string[] => {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
  throw error;
};
