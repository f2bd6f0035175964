/**
 * NoCloud seed disks: `seed-<hash>.img` in the VM's directory. The hash is that of the contents: a file with its name is
 * the right one, complete, and one with another name is of an older record.
 */
import { createHash } from "node:crypto";
import { access, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { SeedDisks } from "@flintlock/core";
import { fatImage } from "./fat-image.ts";

/** What cloud-init looks for */
const LABEL = "cidata";
const SEED = /^seed-[0-9a-f]{24}\.img(?:\.tmp)?$/;
const HASH_LENGTH = 24;

export const createSeedDisks = (): SeedDisks => ({
  async ensure(directory, files, signal) {
    signal.throwIfAborted();
    const image = fatImage(
      LABEL,
      Object.entries(files).map(([name, text]) => ({ name, data: Buffer.from(text, "base64") })),
    );
    const name = `seed-${createHash("sha256").update(image).digest("hex").slice(0, HASH_LENGTH)}.img`;
    const path = join(directory, name);
    if (!(await exists(path))) await write(path, image);
    for (const other of await readdir(directory)) {
      if (SEED.test(other) && other !== name) await rm(join(directory, other), { force: true });
    }
    return { path, format: "raw", isReadOnly: true };
  },
});

/** Its secrets are nobody else's: from its first byte only our user may read it. */
const write = async (path: string, image: Uint8Array): Promise<void> => {
  const temporary = `${path}.tmp`;
  await rm(temporary, { force: true });
  {
    await using file = await open(temporary, "wx", 0o600);
    await file.writeFile(image);
    await file.sync();
  }
  await rename(temporary, path);
};

const exists = async (path: string): Promise<boolean> =>
  await access(path).then(
    () => true,
    () => false,
  );
