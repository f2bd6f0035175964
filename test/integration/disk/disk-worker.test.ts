/** The same work in a worker thread, from the bundle a daemon would start. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createImageDisks } from "../../../packages/daemon/src/adapters/images/disk/image-disks.ts";
import { file, makeTar } from "../../../packages/daemon/src/adapters/images/disk/testing/make-tar.ts";
import { makeScratch, type Scratch } from "./host.ts";
import { writeLayer } from "./layer-files.ts";

const live = new AbortController().signal;
const disks = createImageDisks({ workerUrl: undefined });

const digestOf = async (path: string): Promise<string> =>
  createHash("sha256")
    .update(await readFile(path))
    .digest("hex");

describe("in a worker thread", () => {
  let scratch: Scratch;
  let bundled: ReturnType<typeof createImageDisks>;

  beforeAll(async () => {
    scratch = await makeScratch();
    const source = "packages/daemon/src/adapters/images/disk/worker.ts";
    const outfile = scratch.in("disk-worker.mjs");
    await build({
      entryPoints: [source],
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
    });
    bundled = createImageDisks({ workerUrl: pathToFileURL(outfile) });
  });
  afterAll(() => scratch[Symbol.asyncDispose]());

  test("the disk is the same, and this thread stays free", async () => {
    const data = Buffer.alloc(64 * 1024 ** 2, "some data that is not all zeros ");
    const layer = await writeLayer(scratch, makeTar(file("big", data)), "gzip");
    let longestMs = 0;
    let last = performance.now();
    const beat = setInterval(() => {
      longestMs = Math.max(longestMs, performance.now() - last);
      last = performance.now();
    }, 5);
    await bundled.writeDisk([layer], scratch.in("worker.img"), 256, live);
    clearInterval(beat);
    await disks.writeDisk([layer], scratch.in("thread.img"), 256, live);
    expect(await digestOf(scratch.in("worker.img"))).toBe(await digestOf(scratch.in("thread.img")));
    expect(longestMs).toBeLessThan(250);
  });

  test("errors come back with code, field and cause", async () => {
    const layer = await writeLayer(scratch, makeTar(file("big", Buffer.alloc(9 * 1024 ** 2, "x"))));
    await expect(bundled.writeDisk([layer], scratch.in("small"), 8, live)).rejects.toMatchObject({
      name: "FlintlockError",
      code: "invalid_spec",
      detail: { field: "size_in_mb" },
    });
    const cut = { ...layer, path: scratch.in("absent") };
    await expect(bundled.writeDisk([cut], scratch.in("small"), 64, live)).rejects.toThrow("ENOENT");
    expect(existsSync(scratch.in("small"))).toBe(false);
  });

  test("an abort ends the worker and removes the target", async () => {
    const archive = makeTar(file("big", Buffer.alloc(400 * 1024 ** 2, "data")));
    const layer = await writeLayer(scratch, gzipSync(archive, { level: 1 }));
    const gzipped = { ...layer, mediaType: `${layer.mediaType}+gzip` };
    const abort = new AbortController();
    const target = scratch.in("aborted.img");
    const writing = bundled.writeDisk([gzipped], target, undefined, abort.signal);
    await expect.poll(() => existsSync(target)).toBe(true);
    setTimeout(() => abort.abort(), 150);
    await expect(writing).rejects.toMatchObject({ name: "AbortError" });
    expect(existsSync(target)).toBe(false);
    await expect(bundled.writeDisk([gzipped], target, undefined, abort.signal)).rejects.toMatchObject({
      name: "AbortError",
    });
  });
});
