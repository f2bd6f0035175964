import { mkdir, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Uid } from "@flintlock/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createVmDirectories } from "./vm-directories.ts";

const key = (namespace: string, id: string, uid: string) => ({ namespace, id, uid: uid as Uid });
let state: string;
beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), "vm-directories-"));
});
afterEach(async () => await rm(state, { recursive: true }));

test("a directory is private, made once and again, and known to exist", async () => {
  const directories = createVmDirectories(state);
  const vm = key("default", "web", "01A");
  expect(directories.path(vm)).toBe(join(state, "vm/default/web/01A"));
  expect(await directories.exists(vm)).toBe(false);
  expect(await directories.ensure(vm)).toBe(directories.path(vm));
  expect(await directories.ensure(vm)).toBe(directories.path(vm));
  expect(await directories.exists(vm)).toBe(true);
  for (const path of ["vm", "vm/default", "vm/default/web", "vm/default/web/01A"]) {
    expect((await stat(join(state, path))).mode & 0o777).toBe(0o700);
  }
});

test("removal takes the contents and the parents that became empty, and no other", async () => {
  const directories = createVmDirectories(state);
  const [one, two] = [key("default", "web", "01A"), key("default", "db", "01B")];
  await writeFile(join(await directories.ensure(one), "disk.raw"), "x");
  await directories.ensure(two);
  await directories.remove(one);
  await directories.remove(one);
  expect(await directories.exists(one)).toBe(false);
  await expect(stat(join(state, "vm/default/web"))).rejects.toThrow("ENOENT");
  expect(await directories.exists(two)).toBe(true);
  await directories.remove(two);
  await expect(stat(join(state, "vm/default"))).rejects.toThrow("ENOENT");
});

test("making and removing siblings at once loses none", async () => {
  const directories = createVmDirectories(state);
  for (let round = 0; round < 20; round++) {
    const [one, two] = [key("n", "i", `A${round}`), key("n", "i", `B${round}`)];
    await directories.ensure(one);
    await Promise.all([directories.remove(one), directories.ensure(two)]);
    expect(await directories.exists(two)).toBe(true);
    await directories.remove(two);
  }
});

test("no name leads out of the root", async () => {
  const directories = createVmDirectories(state);
  for (const bad of ["..", ".", "", "a/b", "a\0b", "../../etc", "x".repeat(256)]) {
    expect(() => directories.path(key(bad, "web", "01A"))).toThrow("cannot name a directory");
    expect(() => directories.path(key("default", bad, "01A"))).toThrow("cannot name a directory");
    expect(() => directories.path(key("default", "web", bad))).toThrow("cannot name a directory");
  }
});

test("a link in place of a parent is not followed by a removal", async () => {
  const directories = createVmDirectories(state);
  const outside = join(state, "outside");
  await mkdir(join(outside, "web/01A"), { recursive: true });
  await mkdir(join(state, "vm"));
  await symlink(outside, join(state, "vm/default"));
  await directories.remove(key("default", "web", "01A"));
  expect((await stat(join(outside, "web/01A"))).isDirectory()).toBe(true);
});
