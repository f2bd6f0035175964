import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createSeedDisks } from "./seed-disks.ts";

const signal = new AbortController().signal;
const FILES = { "meta-data": "YQ==", "user-data": "" };
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "flintlock-seed-"));
});
afterEach(async () => await rm(directory, { recursive: true }));

test("a seed disk is read-only, nobody else's, and made once", async () => {
  const seeds = createSeedDisks();
  const disk = await seeds.ensure(directory, FILES, signal);
  expect(disk).toMatchObject({ format: "raw", isReadOnly: true });
  const first = await stat(disk.path);
  expect(first.mode & 0o777).toBe(0o600);
  expect(await seeds.ensure(directory, FILES, signal)).toEqual(disk);
  expect((await stat(disk.path)).ino).toBe(first.ino);
});

test("it follows the record, and what a crash left half-made is no seed", async () => {
  const seeds = createSeedDisks();
  const old = await seeds.ensure(directory, FILES, signal);
  const torn = `seed-${"0".repeat(24)}.img.tmp`;
  await writeFile(join(directory, torn), "half");
  await writeFile(join(directory, "seed-notes.txt"), "not ours");
  const disk = await seeds.ensure(directory, { ...FILES, "user-data": "Yg==" }, signal);
  expect(disk.path).not.toBe(old.path);
  const names = (await readdir(directory)).sort();
  expect(names).toEqual([disk.path.slice(directory.length + 1), "seed-notes.txt"]);
  expect((await readFile(disk.path)).toString("latin1", 43, 54)).toBe("cidata     ");
});
