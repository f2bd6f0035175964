import { mkdir, mkdtemp, realpath, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createSharedRoots } from "./shared-directories.ts";

let top: string;
beforeEach(async () => {
  top = await realpath(await mkdtemp(join(tmpdir(), "shared-directories-")));
  for (const name of ["root", "root/a", "root/a/b", "rooted", "elsewhere"]) await mkdir(join(top, name));
  await writeFile(join(top, "root/file"), "");
  await symlink(join(top, "elsewhere"), join(top, "root/out"));
  await symlink("a", join(top, "root/inside"));
  await symlink("root", join(top, "link"));
});
afterEach(async () => await rm(top, { recursive: true }));

test("a root and what is below it are shared, by whatever path", async () => {
  const roots = createSharedRoots([join(top, "link")]);
  expect(roots.roots).toEqual([join(top, "root")]);
  for (const path of ["root", "root/a", "root/a/b/", "root/a/../a/b", "root/inside/b", "link/a"]) {
    expect(await roots.refusal(join(top, path))).toBeUndefined();
  }
  const { handle, realPath } = await roots.open(join(top, "root/inside/b"));
  await handle.close();
  expect(realPath).toBe(join(top, "root/a/b"));
});

test("nothing else is, and what is absent is told as what is elsewhere", async () => {
  const roots = createSharedRoots([join(top, "root"), join(top, "absent")]);
  const refusals = [
    "rooted",
    "elsewhere",
    "root/..",
    "root/out",
    "root/a/../../elsewhere",
    "nowhere",
    "root/x",
  ];
  const answers = await Promise.all(refusals.map((path) => roots.refusal(join(top, path))));
  expect(new Set(answers)).toEqual(new Set(["is no directory that this host shares"]));
  expect(await roots.refusal(join(top, "root/file"))).toMatch(/not a directory/);
  expect(await roots.refusal("root/a")).toBe("must be an absolute path");
  expect(await roots.refusal("\0")).toBe("must be an absolute path");
  expect(await roots.refusal("/\0")).toBe("is no directory that this host shares");
  await expect(roots.open(join(top, "root/out"))).rejects.toMatchObject({
    code: "permission_denied",
    hint: expect.stringContaining("--virtiofs-root"),
  });
});

test("without roots nothing is shared; with / everything", async () => {
  expect(await createSharedRoots([]).refusal("/")).toMatch(/no directory/);
  expect(await createSharedRoots(["/"]).refusal("/etc")).toBeUndefined();
});

test("a directory that is exchanged for a link afterwards stays the one that was opened", async () => {
  const roots = createSharedRoots([join(top, "root")]);
  const { handle } = await roots.open(join(top, "root/a"));
  try {
    const before = await handle.stat();
    await rename(join(top, "root/a"), join(top, "root/old"));
    await symlink(join(top, "elsewhere"), join(top, "root/a"));
    expect((await handle.stat()).ino).toBe(before.ino);
    expect(await roots.refusal(join(top, "root/a"))).toMatch(/no directory/);
  } finally {
    await handle.close();
  }
});
