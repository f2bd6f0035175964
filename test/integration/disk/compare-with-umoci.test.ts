/** The same layers by us and by independent unpackers, umoci and GNU tar: every inode must come out the same. */
import { randomBytes } from "node:crypto";
import { chmod, chown, link, lutimes, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { describe, expect, test } from "vitest";
import { createImageDisks } from "../../../packages/daemon/src/adapters/images/disk/image-disks.ts";
import {
  directory,
  file,
  hardlink,
  makeTar,
  symlink as symlinkMember,
  whiteout,
} from "../../../packages/daemon/src/adapters/images/disk/testing/make-tar.ts";
import type { LayerBlob } from "../../../packages/daemon/src/adapters/images/image-disks.ts";
import { cannotMount, cannotUnpack, checkDisk, makeScratch, mountDisk, run, type Scratch } from "./host.ts";
import { tarLayer, unpackWithUmoci, writeLayer } from "./layer-files.ts";
import { listDirectory } from "./tree-listing.ts";

const live = new AbortController().signal;
const reason = cannotMount() || cannotUnpack();

type Unpack = (scratch: Scratch, layers: readonly LayerBlob[]) => Promise<string>;

/** For single layers without whiteouts; umoci takes a minute where this takes a second. */
const unpackWithTar: Unpack = async (scratch, [layer]) => {
  await mkdir(scratch.in("unpacked"));
  const args = ["--numeric-owner", "--xattrs", "--xattrs-include=*", "-C", scratch.in("unpacked")];
  await run("tar", "-xpf", layer?.path ?? "", ...args);
  return scratch.in("unpacked");
};

const compare = async (
  scratch: Scratch,
  layers: readonly LayerBlob[],
  unpack: Unpack = unpackWithUmoci,
): Promise<readonly string[]> => {
  const disk = scratch.in("disk.img");
  await createImageDisks({ workerUrl: undefined }).writeDisk(layers, disk, undefined, live);
  await checkDisk(disk);
  await using mounted = await mountDisk(disk, scratch);
  const ours = await listDirectory(mounted.path);
  expect(ours).toEqual(await listDirectory(await unpack(scratch, layers)));
  return ours;
};

/** Makes files below a new directory; a text is a file's content, a function does as it likes. */
const makeTree = async (
  scratch: Scratch,
  name: string,
  files: Readonly<Record<string, string | Buffer | ((path: string) => Promise<unknown>)>>,
): Promise<string> => {
  for (const [path, content] of Object.entries(files)) {
    const full = scratch.in(name, path);
    await mkdir(dirname(full), { recursive: true });
    await (typeof content === "function" ? content(full) : writeFile(full, content));
  }
  return scratch.in(name);
};

describe.skipIf(reason)("against umoci", () => {
  test("owners, modes, links, devices and times are the same", async () => {
    await using scratch = await makeScratch();
    const tree = await makeTree(scratch, "tree", {
      "bin/setuid": async (path) => {
        await writeFile(path, "#!/bin/sh\n");
        await chown(path, 0, 42);
        await chmod(path, 0o6755);
      },
      "home/user/file": async (path) => {
        await writeFile(path, "text");
        await chown(path, 100_000, 3_000_000_000);
        await lutimes(path, 4_000_000_000, 4_000_000_000);
      },
      old: async (path) => {
        await writeFile(path, "before the epoch");
        await lutimes(path, -5_000_000, -5_000_000);
      },
      "tmp/.keep": async (path) => {
        await writeFile(path, "");
        await chmod(dirname(path), 0o1777);
      },
      "links/a": "linked",
      "links/b": (path) => link(scratch.in("tree/links/a"), path),
      "links/fast": (path) => symlink("a", path),
      "links/edge59": (path) => symlink("x".repeat(59), path),
      "links/edge60": (path) => symlink("x".repeat(60), path),
      "links/slow": (path) => symlink(`/${"long/".repeat(200)}end`, path),
      "links/longest": (path) => symlink("y".repeat(4095), path),
      "dev/null": (path) => run("mknod", path, "c", "1", "3"),
      "dev/wide": (path) => run("mknod", path, "b", "259", "70000"),
      "dev/fifo": (path) => run("mkfifo", path),
      empty: "",
      "one-byte": "x",
      block: Buffer.alloc(4096, 1),
      "block-and-one": Buffer.alloc(4097, 1),
      random: randomBytes(3_000_000),
    });
    await compare(scratch, [await tarLayer(scratch, tree, "--format=pax")]);
  });

  test("names of every kind come through", async () => {
    await using scratch = await makeScratch();
    const deep = `${"d".repeat(200)}/`.repeat(18);
    const layer = await writeLayer(
      scratch,
      makeTar(
        directory("names"),
        file(`names/${Buffer.from("žluťoučký 🐎").toString("latin1")}`),
        file("names/not\xffutf8\xc3"),
        file(`names/${"n".repeat(255)}`, "longest name"),
        file("names/ leading space"),
        file("names/new\nline"),
        file(`${deep}end`, "deep"),
        file("./dotted/./path//file", "normal"),
        file("/absolute/path", "absolute"),
      ),
    );
    expect(await compare(scratch, [layer])).toContainEqual(
      expect.stringContaining('"./names/not\xffutf8\xc3"'),
    );
  });

  test("extended attributes are the same, in the inode and in a block", async () => {
    await using scratch = await makeScratch();
    const capability = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    const many = Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [`SCHILY.xattr.user.name${i}`, "v".repeat(i + 1)]),
    );
    const layer = await writeLayer(
      scratch,
      makeTar(
        file("ping", "x", { pax: { "SCHILY.xattr.security.capability": capability } }),
        file("many", "x", { pax: many }),
        file("large", "x", { pax: { "SCHILY.xattr.user.large": "\xfe\0".repeat(1500) } }),
        file("both", "x", {
          pax: {
            "SCHILY.xattr.security.capability": capability,
            "SCHILY.xattr.user.large": "z".repeat(3000),
            "SCHILY.xattr.trusted.t": "t",
          },
        }),
        directory("dir", { pax: { "SCHILY.xattr.user.on-a-directory": "yes" } }),
      ),
    );
    const lines = await compare(scratch, [layer]);
    expect(lines.find((line) => line.includes('"./ping"'))).toContain("security.capability=0100000200040000");
  });

  test("layers are merged by the same rules", async () => {
    await using scratch = await makeScratch();
    const layers = [
      makeTar(
        directory("usr", { uid: 7 }),
        directory("usr/lib"),
        file("usr/lib/a", "lower a"),
        file("usr/lib/b", "lower b"),
        symlinkMember("lib", "usr/lib"),
        symlinkMember("abs", "/usr"),
        directory("gone"),
        file("gone/x", "x"),
        directory("opaque", { mode: 0o700 }),
        file("opaque/lower", "lower"),
        directory("opaque/sub"),
        file("opaque/sub/lower", "lower"),
        file("became-dir", "file"),
        directory("became-file"),
        file("became-file/child", "child"),
        file("first", "first"),
        hardlink("second", "first"),
        hardlink("third", "first"),
      ),
      makeTar(
        directory("usr", { mode: 0o711, uid: 8 }),
        file("lib/c", "through the symlink"),
        file("abs/d", "through an absolute one"),
        whiteout("usr/lib/b"),
        whiteout("gone"),
        directory("opaque", { mode: 0o750 }),
        file("opaque/.wh..wh..opq"),
        file("opaque/upper", "upper"),
        directory("became-dir"),
        file("became-dir/child", "child"),
        file("became-file", "file now"),
        file("second", "no longer first"),
        hardlink("fourth", "third"),
        file("missing/parents/file", "made on the way"),
      ),
      makeTar(
        directory("gone"),
        file("gone/again", "back"),
        whiteout("third"),
        hardlink("usr/lib/linked", "usr/lib/a"),
        directory("lib"),
        file("lib/own", "the symlink became a directory"),
      ),
    ];
    const blobs = [];
    for (const layer of layers) blobs.push(await writeLayer(scratch, layer, "gzip"));
    const lines = await compare(scratch, blobs);
    expect(lines.join("\n")).not.toMatch(/opaque\/(lower|sub)|"\.\/gone\/x"|\/lib\/b"/);
  });

  test("a directory of 20,000 entries and one of 5,000 directories", async () => {
    await using scratch = await makeScratch();
    const files = Array.from({ length: 20_000 }, (_, i) =>
      file(`many/file-${i}-${"x".repeat(i % 40)}`, `${i}`),
    );
    const directories = Array.from({ length: 5000 }, (_, i) => directory(`dirs/${i}`));
    const members = [directory("."), directory("many"), directory("dirs"), ...files, ...directories];
    await compare(scratch, [await writeLayer(scratch, makeTar(...members), "gzip")], unpackWithTar);
  });

  test("a real tree of this machine, as GNU tar packs it", async () => {
    await using scratch = await makeScratch();
    const archive = scratch.in("real.tar");
    const parts = ["etc", "usr/share/perl", "usr/share/zoneinfo", "usr/lib/git-core"];
    await run("tar", "-cf", archive, "--ignore-failed-read", "--xattrs", "-C", "/", ...parts);
    const disk = await compare(scratch, [await writeLayer(scratch, await readFile(archive))], unpackWithTar);
    expect(disk.length).toBeGreaterThan(1000);
  });
});
