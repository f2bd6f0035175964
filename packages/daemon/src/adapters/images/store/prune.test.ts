import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "@flintlock/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BlobStore } from "./blobs.ts";
import { digestOf, StoreLayout } from "./layout.ts";
import { Pins } from "./pins.ts";
import { prune } from "./prune.ts";
import { ReferenceStore } from "./references.ts";

let root = "";

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "flintlock-prune-"));
});

afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

const parts = async () => {
  const blobs = new BlobStore(await StoreLayout.open(root));
  return { blobs, references: new ReferenceStore(blobs.layout, silentLog), pins: new Pins(), log: silentLog };
};

test("opening sweeps what a crash left, and keeps partial downloads", async () => {
  const partial = `sha256-${"a".repeat(64)}.partial`;
  await mkdir(join(root, "ingest", "tmp-folder"), { recursive: true });
  for (const name of [partial, "tmp-1", "tmp-folder/x"]) await writeFile(join(root, "ingest", name), "x");
  await StoreLayout.open(root);
  expect(await readdir(join(root, "ingest"))).toEqual([partial]);
});

test("what work in progress holds is not pruned, and goes when it is let go", async () => {
  const store = await parts();
  const digest = await store.blobs.put(Buffer.from("layer"));
  const partial = store.blobs.layout.partial(digestOf(Buffer.from("partial")));
  await writeFile(partial, "part");
  await store.pins.hold([digest, digestOf(Buffer.from("partial"))], async () => {
    expect(await prune(store, new Set())).toBe(0);
    expect(await store.blobs.has({ digest, sizeBytes: 5 })).toBe(true);
  });
  expect(await prune(store, new Set())).toBeGreaterThan(0);
  expect(await store.blobs.has({ digest, sizeBytes: 5 })).toBe(false);
  expect(await readdir(store.blobs.layout.ingest)).toEqual([]);
});

test("a damaged reference record is left out of the list and does not stop a prune", async () => {
  const store = await parts();
  await writeFile(join(store.blobs.layout.references, `${"b".repeat(64)}.json`), "{");
  expect(await store.references.list()).toEqual([]);
  expect(await prune(store, new Set())).toBe(0);
});

test("a stored blob that rotted is noticed, dropped, and stored anew", async () => {
  const { blobs } = await parts();
  const digest = await blobs.put(Buffer.from("content"));
  await writeFile(blobs.layout.blob(digest), "CONTENT");
  await blobs.put(Buffer.from("content"));
  expect(Buffer.from((await blobs.read(digest, 100)) ?? []).toString()).toBe("content");
  await writeFile(blobs.layout.blob(digest), "CONTENT");
  await expect(blobs.read(digest, 100)).rejects.toThrow(/damaged/);
  expect(await blobs.read(digest, 100)).toBeUndefined();
});
