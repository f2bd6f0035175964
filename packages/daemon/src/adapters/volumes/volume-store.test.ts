import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BaseDisk } from "@flintlock/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createVolumeStore } from "./volume-store.ts";

const never = new AbortController().signal;
const SIZE = 4 * 1024 * 1024;
const store = createVolumeStore();
let root: string;
let directory: string;
let base: BaseDisk;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "volume-store-"));
  directory = await mkdtemp(join(root, "vm-"));
  base = { path: join(root, "base, with a comma.raw"), sizeBytes: SIZE, filesystem: "ext4" };
  await writeFile(base.path, "the base", { mode: 0o444 });
  await truncate(base.path, SIZE);
});
afterEach(async () => await rm(root, { recursive: true }));

const writable = (format: "raw" | "qcow2") => ({ format, isReadOnly: false });

test("a qcow2 volume is a small overlay over the base", async () => {
  const disk = await store.ensure(directory, "root", base, writable("qcow2"), never);
  expect(disk).toMatchObject({ format: "qcow2", isReadOnly: false });
  const info = JSON.parse(String(execFileSync("qemu-img", ["info", "--output=json", disk.path])));
  expect(info).toMatchObject({
    "virtual-size": SIZE,
    "backing-filename": base.path,
    "backing-filename-format": "raw",
  });
  expect((await stat(disk.path)).mode & 0o777).toBe(0o600);
  expect(await store.observe(directory)).toEqual(new Map([["root", SIZE]]));
});

test("a raw volume is a sparse, writable copy", async () => {
  const disk = await store.ensure(directory, "root", base, writable("raw"), never);
  const { size, blocks, mode } = await stat(disk.path);
  expect([size, mode & 0o777]).toEqual([SIZE, 0o600]);
  expect(blocks * 512).toBeLessThan(SIZE / 4);
  expect((await readFile(disk.path)).subarray(0, 8).toString()).toBe("the base");
});

test("a read-only volume is the base itself, and is observed", async () => {
  const disk = await store.ensure(directory, "data", base, { format: "qcow2", isReadOnly: true }, never);
  expect(disk).toEqual({ path: base.path, format: "raw", isReadOnly: true });
  expect(await store.observe(directory)).toEqual(new Map([["data", SIZE]]));
  await rm(base.path);
  expect(await store.observe(directory)).toEqual(new Map());
});

test("an existing volume keeps its contents, and is not turned into another kind", async () => {
  const first = await store.ensure(directory, "root", base, writable("raw"), never);
  await writeFile(first.path, "the guest's data");
  expect(await store.ensure(directory, "root", base, writable("qcow2"), never)).toEqual(first);
  expect(await readFile(first.path, "utf8")).toBe("the guest's data");
  const readOnly = { format: "raw", isReadOnly: true } as const;
  await expect(store.ensure(directory, "root", base, readOnly, never)).rejects.toMatchObject({
    code: "failed_precondition",
  });
});

test("a crash before the end leaves nothing that counts, and the next call completes it", async () => {
  await store.ensure(directory, "root", base, writable("qcow2"), never);
  const [manifest = ""] = (await readdir(directory)).filter((name) => name.endsWith(".json"));
  await rm(join(directory, manifest));
  expect(await store.observe(directory)).toEqual(new Map());
  await store.ensure(directory, "root", base, writable("qcow2"), never);
  await writeFile(join(directory, manifest), '{"volumeId":"ro');
  expect(await store.observe(directory)).toEqual(new Map());
  await store.ensure(directory, "root", base, writable("qcow2"), never);
  expect(await store.observe(directory)).toEqual(new Map([["root", SIZE]]));
});

test("no id becomes a path", async () => {
  const ids = ["../../etc/passwd", "a/b", "", "-rf", "x".repeat(1000)];
  for (const id of ids) await store.ensure(directory, id, base, writable("qcow2"), never);
  expect(await store.observe(directory)).toEqual(new Map(ids.map((id) => [id, SIZE])));
  for (const name of await readdir(directory)) expect(name).toMatch(/^volume-[0-9a-f]{24}\.(json|qcow2)$/);
});

test("a missing directory has no volumes; a missing tool or base says so", async () => {
  expect(await store.observe(join(root, "nowhere"))).toEqual(new Map());
  const without = createVolumeStore({ qemuImg: "/nowhere/qemu-img" });
  await expect(without.ensure(directory, "a", base, writable("qcow2"), never)).rejects.toMatchObject({
    code: "unsupported",
    message: "qemu-img cannot be found",
  });
  const missing = { ...base, path: join(root, "gone.raw") };
  await expect(store.ensure(directory, "b", missing, writable("qcow2"), never)).rejects.toMatchObject({
    code: "internal",
  });
  const stop = new AbortController();
  stop.abort(new Error("enough"));
  await expect(store.ensure(directory, "c", base, writable("raw"), stop.signal)).rejects.toThrow("enough");
});

test("a volume with a partition's UUID is a sparse disk with the base as its one partition", async () => {
  const withComma = await mkdtemp(join(root, "a,b-"));
  for (const isReadOnly of [false, true]) {
    const id = isReadOnly ? "ro" : "rw";
    const want = {
      format: "qcow2",
      isReadOnly,
      partitionId: "01234567-89ab-cdef-0123-456789abcdef",
    } as const;
    const disk = await store.ensure(withComma, id, base, want, never);
    expect(disk).toMatchObject({ format: "raw", isReadOnly });
    const content = await readFile(disk.path);
    expect(content.length).toBe(SIZE + 2 * 1024 * 1024);
    expect(content.toString("latin1", 512, 520)).toBe("EFI PART");
    expect(content.toString("latin1", 1024 * 1024, 1024 * 1024 + 8)).toBe("the base");
    expect((await stat(disk.path)).blocks * 512).toBeLessThan(SIZE / 4);
    expect(await store.ensure(withComma, id, base, want, never)).toEqual(disk);
  }
});

test.each(["qcow2", "raw"] as const)(
  "a %s volume grows, keeps what it has, and never shrinks",
  async (format) => {
    const { path } = await store.ensure(directory, "root", base, writable(format), never);
    await store.grow(directory, "root", 2 * SIZE, never);
    expect(await store.observe(directory)).toEqual(new Map([["root", 2 * SIZE]]));
    await store.grow(directory, "root", SIZE, never);
    expect(await store.observe(directory)).toEqual(new Map([["root", 2 * SIZE]]));
    expect(execFileSync("qemu-io", ["-r", "-f", format, "-c", "read -v 0 512", path]).toString()).toContain(
      "the.base",
    );
    expect((await stat(path)).blocks * 512).toBeLessThan(SIZE);
  },
);

test("what is not the VM's own disk does not grow", async () => {
  await store.ensure(directory, "data", base, { format: "raw", isReadOnly: true }, never);
  await expect(store.grow(directory, "data", 2 * SIZE, never)).rejects.toMatchObject({
    code: "failed_precondition",
  });
  await expect(store.grow(directory, "gone", 2 * SIZE, never)).rejects.toMatchObject({ code: "not_found" });
  expect((await stat(base.path)).size).toBe(SIZE);
});
