/** Disks as a whole: sizes, failures, the worker thread, and what a file system check says. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import type { Digest } from "@flintlock/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createImageDisks } from "../../../packages/daemon/src/adapters/images/disk/image-disks.ts";
import {
  directory,
  file,
  hardlink,
  type Member,
  makeTar,
  memberBytes,
  opaque,
  symlink,
  whiteout,
} from "../../../packages/daemon/src/adapters/images/disk/testing/make-tar.ts";
import { cannotMount, checkDisk, makeScratch, mountDisk, run } from "./host.ts";
import { writeLayer } from "./layer-files.ts";

const live = new AbortController().signal;
const disks = createImageDisks({ workerUrl: undefined });
const small = makeTar(directory("etc"), file("etc/hostname", "vm\n"), symlink("link", "etc/hostname"));

const digestOf = async (path: string): Promise<string> =>
  createHash("sha256")
    .update(await readFile(path))
    .digest("hex");

const digestOfStream = async (stream: AsyncIterable<Buffer>): Promise<string> => {
  const hash = createHash("sha256");
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest("hex");
};

/** A file's content by way of debugfs, which needs no privileges. */
const readFromDisk = async (disk: string, path: string): Promise<string> =>
  (await run("debugfs", "-R", `cat ${path}`, disk)).stdout;

test("a disk has the default size, takes little room, and passes a check", async () => {
  await using scratch = await makeScratch();
  const disk = scratch.in("disk.img");
  const written = await disks.writeDisk([await writeLayer(scratch, small)], disk, undefined, live);
  const { size, blocks } = await stat(disk);
  expect(written.sizeBytes).toBe(10 * 1024 ** 3);
  expect(size).toBe(written.sizeBytes);
  expect(blocks * 512).toBeLessThan(6 * 1024 ** 2);
  await checkDisk(disk);
  expect(await readFromDisk(disk, "/etc/hostname")).toBe("vm\n");
});

test.each([8, 9, 63, 64, 129, 511, 512, 1024, 3000])("a disk of %d MiB passes a check", async (sizeMib) => {
  await using scratch = await makeScratch();
  const disk = scratch.in("disk.img");
  const layer = await writeLayer(scratch, small);
  const written = await disks.writeDisk([layer], disk, sizeMib, live);
  expect(written.sizeBytes).toBe(sizeMib * 1024 ** 2);
  await checkDisk(disk);
});

test("the same layers give the same bytes, however they are compressed", async () => {
  await using scratch = await makeScratch();
  const digests = [];
  for (const compression of ["none", "gzip", "zstd"] as const) {
    const layer = await writeLayer(scratch, small, compression);
    await disks.writeDisk([layer], scratch.in(compression), 16, live);
    digests.push(await digestOf(scratch.in(compression)));
  }
  expect(new Set(digests).size).toBe(1);
});

test("an image without layers is an empty disk", async () => {
  await using scratch = await makeScratch();
  await disks.writeDisk([], scratch.in("disk.img"), 16, live);
  await checkDisk(scratch.in("disk.img"));
});

test("blocks of replaced and removed files are given back", async () => {
  await using scratch = await makeScratch();
  const big = Buffer.alloc(9 * 1024 ** 2, "data");
  const layers = [];
  for (const member of [file("a", big), file("a", big), whiteout("a"), file("b", big)])
    layers.push(await writeLayer(scratch, makeTar(member)));
  // Room for one and a half of them.
  await disks.writeDisk(layers, scratch.in("disk.img"), 16, live);
  await checkDisk(scratch.in("disk.img"));
});

test("a size that does not do is refused with one that does", async () => {
  await using scratch = await makeScratch();
  const layer = await writeLayer(scratch, makeTar(file("big", Buffer.alloc(30 * 1024 ** 2, "data"))));
  const disk = scratch.in("disk.img");
  const refusal: unknown = await disks.writeDisk([layer], disk, 16, live).catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: "invalid_spec", detail: { field: "size_in_mb" } });
  expect(existsSync(disk)).toBe(false);
  const wouldDo = Number(/about (\d+) would do/.exec(String(refusal))?.[1]);
  expect(wouldDo).toBeLessThan(64);
  await disks.writeDisk([layer], disk, wouldDo, live);
  await checkDisk(disk);
});

test("too many files for a size are refused with a size that does", async () => {
  await using scratch = await makeScratch();
  const files = Array.from({ length: 6000 }, (_, i) => file(`f${i}`));
  const layer = await writeLayer(scratch, makeTar(...files));
  const disk = scratch.in("disk.img");
  const refusal: unknown = await disks.writeDisk([layer], disk, 16, live).catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: "invalid_spec" });
  await disks.writeDisk([layer], disk, Number(/about (\d+) would do/.exec(String(refusal))?.[1]), live);
  await checkDisk(disk);
});

test.each([0, 7, 1.5, Number.NaN, 2 ** 40])("a size of %d MiB is refused", async (sizeMib) => {
  await using scratch = await makeScratch();
  await expect(disks.writeDisk([], scratch.in("disk.img"), sizeMib, live)).rejects.toMatchObject({
    code: "invalid_spec",
    detail: { field: "size_in_mb" },
  });
  expect(existsSync(scratch.in("disk.img"))).toBe(false);
});

test("an image of more inodes than the default disk has gets a larger one", {
  timeout: 240_000,
}, async () => {
  await using scratch = await makeScratch();
  const parts = [];
  for (let i = 0; i < 700; i++) {
    for (let j = 0; j < 1000; j++) parts.push(memberBytes(symlink(`${i}/${j}`, "x")));
  }
  const layer = await writeLayer(scratch, Buffer.concat([...parts, Buffer.alloc(1024)]));
  const written = await disks.writeDisk([layer], scratch.in("disk.img"), undefined, live);
  expect(written.sizeBytes).toBe(20 * 1024 ** 3);
  await checkDisk(scratch.in("disk.img"));
});

test("a layer that is not the promised one fails, and leaves nothing", async () => {
  await using scratch = await makeScratch();
  const layer = await writeLayer(scratch, small, "gzip");
  const other = { ...layer, diffId: `sha256:${"0".repeat(64)}` as Digest };
  const disk = scratch.in("disk.img");
  await expect(disks.writeDisk([other], disk, 16, live)).rejects.toMatchObject({ code: "data_loss" });
  await expect(disks.extractFile([other], "etc/hostname", disk, live)).rejects.toMatchObject({
    code: "data_loss",
  });
  expect(existsSync(disk)).toBe(false);
});

test("what no ext4 inode can hold is refused by the name of its path", async () => {
  await using scratch = await makeScratch();
  const tooLarge = { "SCHILY.xattr.user.a": "x".repeat(5000) };
  const layer = await writeLayer(scratch, makeTar(file("usr/bin/tool", "", { pax: tooLarge })));
  await expect(disks.writeDisk([layer], scratch.in("disk.img"), 16, live)).rejects.toThrow(
    /"usr\/bin\/tool".*extended attributes/,
  );
});

test("a target that exists is left alone", async () => {
  await using scratch = await makeScratch();
  const layer = await writeLayer(scratch, small);
  await expect(disks.writeDisk([layer], layer.path, 16, live)).rejects.toMatchObject({ code: "EEXIST" });
  expect(existsSync(layer.path)).toBe(true);
});

test("ACLs are turned into ext4's own form", async () => {
  await using scratch = await makeScratch();
  const entry = (tag: number, permissions: number, id: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt16LE(tag, 0);
    bytes.writeUInt16LE(permissions, 2);
    bytes.writeUInt32LE(id, 4);
    return bytes;
  };
  const none = 0xffff_ffff;
  const entries = [
    entry(1, 6, none),
    entry(2, 4, 1000),
    entry(4, 4, none),
    entry(16, 4, none),
    entry(32, 4, none),
  ];
  const acl = Buffer.concat([Buffer.from([2, 0, 0, 0]), ...entries]).toString("latin1");
  const pax = { "SCHILY.xattr.system.posix_acl_access": acl };
  const layer = await writeLayer(scratch, makeTar(file("guarded", "x", { mode: 0o644, pax })));
  const disk = scratch.in("disk.img");
  await disks.writeDisk([layer], disk, 16, live);
  await checkDisk(disk);
  if (cannotMount() !== false) return;
  await using mounted = await mountDisk(disk, scratch);
  const { stdout } = await run("tar", "--acls", "--numeric-owner", "-C", mounted.path, "-cf", "-", "guarded");
  expect(stdout).toMatch(/SCHILY\.acl\.access=user::rw-\nuser:\w+:r--\ngroup::r--\nmask::r--\nother::r--/);
});

test("a file of 2 GB with holes keeps its data and its size", { timeout: 240_000 }, async () => {
  await using scratch = await makeScratch();
  const megabyte = 1024 ** 2;
  const handle = await open(scratch.in("sparse"), "w");
  await handle.truncate(2100 * megabyte + 77);
  for (let i = 0; i < 2100; i += 300) await handle.write(`piece ${i}`, i * megabyte + 5000);
  // Every second block: more extents than one level of the tree has room for.
  const comb = Buffer.alloc(2000 * 8192);
  for (let i = 0; i < comb.length; i += 8192) comb[i] = 1;
  await handle.write(comb, 0, comb.length, 100 * megabyte);
  await handle.close();
  const tar = spawn("tar", ["-cf", "-", "-C", scratch.path, "sparse"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const zstd = spawn("zstd", ["-q", "-1", "-o", scratch.in("layer")], {
    stdio: ["pipe", "inherit", "inherit"],
  });
  const packed = new Promise((resolve) => zstd.once("close", resolve));
  const hash = createHash("sha256");
  const counted = async function* () {
    for await (const chunk of tar.stdout) {
      hash.update(chunk);
      yield chunk;
    }
  };
  await pipeline(counted, zstd.stdin);
  await packed;
  const layer = {
    path: scratch.in("layer"),
    mediaType: "application/vnd.oci.image.layer.v1.tar+zstd",
    digest: `sha256:${"0".repeat(64)}` as Digest,
    diffId: `sha256:${hash.digest("hex")}` as Digest,
    sizeBytes: (await stat(scratch.in("layer"))).size,
  };
  const disk = scratch.in("disk.img");
  await disks.writeDisk([layer], disk, undefined, live);
  await checkDisk(disk);
  expect((await stat(disk)).blocks * 512).toBeLessThan(32 * megabyte);
  const debugfs = spawn("debugfs", ["-R", "cat /sparse", disk], {
    stdio: ["ignore", "pipe", "ignore"],
    env: { PATH: "/usr/sbin:/sbin:/usr/bin" },
  });
  expect(await digestOfStream(debugfs.stdout)).toBe(
    await digestOfStream(createReadStream(scratch.in("sparse"), { highWaterMark: megabyte })),
  );
});

test("a kernel can go on where the disk was left", { timeout: 240_000 }, async ({ skip }) => {
  const reason = cannotMount();
  if (reason !== false) skip(reason);
  await using scratch = await makeScratch();
  const files = Array.from({ length: 3000 }, (_, i) => file(`many/${i}`, `${i}`));
  const pax = { "SCHILY.xattr.user.a": "x".repeat(3000) };
  const layer = await writeLayer(scratch, makeTar(...files, file("attributes", "x", { pax })));
  const disk = scratch.in("disk.img");
  await disks.writeDisk([layer], disk, undefined, live);
  {
    await using mounted = await mountDisk(disk, scratch, "loop,rw");
    for (let i = 0; i < 3000; i += 2) await rm(`${mounted.path}/many/${i}`);
    for (let i = 0; i < 3000; i++) await writeFile(`${mounted.path}/many/new-${i}`, "x".repeat(i));
    await writeFile(`${mounted.path}/large`, Buffer.alloc(50 * 1024 ** 2, 1));
    await rm(`${mounted.path}/attributes`);
    await mkdir(`${mounted.path}/lost+found/found`);
  }
  await checkDisk(disk);
});

const nameOf = fc.constantFrom("a", "b", "c", "lost+found");
const pathOf = fc.array(nameOf, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));
const memberOf: fc.Arbitrary<Member> = fc.oneof(
  fc.tuple(pathOf, fc.uint8Array({ maxLength: 9000 })).map(([path, data]) => file(path, data)),
  pathOf.map((path) => directory(path)),
  fc.tuple(pathOf, pathOf).map(([path, target]) => symlink(path, target)),
  fc.tuple(pathOf, pathOf).map(([path, target]) => hardlink(path, target)),
  pathOf.map(whiteout),
  pathOf.map(opaque),
);

test("whatever layers say, the disk passes a check or the layers are refused", {
  timeout: 240_000,
}, async () => {
  await using scratch = await makeScratch();
  let written = 0;
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(memberOf, { maxLength: 8 }), { maxLength: 3 }), async (stack) => {
      const layers = [];
      for (const members of stack) layers.push(await writeLayer(scratch, makeTar(...members)));
      const disk = scratch.in(`random-${run++}.img`);
      try {
        await disks.writeDisk(layers, disk, 8, live);
      } catch (error) {
        expect(error).toMatchObject({ code: "data_loss" });
        return;
      }
      written++;
      await checkDisk(disk);
    }),
    { numRuns: 120 },
  );
  expect(written).toBeGreaterThan(20);
});

describe("extractFile", () => {
  test("a file is taken from the layer that has it last, through symlinks", async () => {
    await using scratch = await makeScratch();
    const layers = [
      await writeLayer(scratch, makeTar(file("boot/vmlinux-1", "old"), file("boot/other", "o"))),
      await writeLayer(
        scratch,
        makeTar(
          file("boot/vmlinux-1", "kernel"),
          symlink("vmlinux", "/boot/current"),
          symlink("boot/current", "../boot/./vmlinux-1"),
        ),
        "gzip",
      ),
    ];
    for (const path of ["boot/vmlinux-1", "/boot/vmlinux-1", "vmlinux", "../../vmlinux"]) {
      const target = scratch.in(`out-${path.replaceAll("/", "_")}`);
      await disks.extractFile(layers, path, target, live);
      expect(await readFile(target, "utf8")).toBe("kernel");
    }
  });

  test.each(["boot", "absent", "gone", "loop", "dangling", "boot/file/below", ""])(
    "%j is no file of the image, and nothing is left",
    async (path) => {
      await using scratch = await makeScratch();
      const layers = [
        await writeLayer(scratch, makeTar(file("boot/file"), file("gone"), symlink("dangling", "absent"))),
        await writeLayer(scratch, makeTar(whiteout("gone"), symlink("loop", "loop"))),
      ];
      const target = scratch.in("out");
      await expect(disks.extractFile(layers, path, target, live)).rejects.toMatchObject({
        code: path === "loop" ? "data_loss" : "not_found",
      });
      expect(existsSync(target)).toBe(false);
    },
  );
});
