import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createKernels, type Kernels } from "./kernels.ts";

const NEVER = new AbortController().signal;

let directory: string;
let cache: string;
let kernels: Kernels;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "kernels-"));
  cache = join(directory, "elf");
  kernels = createKernels(cache);
});
afterEach(async () => await rm(directory, { recursive: true }));

const elf = (bytes = 200_000): Buffer => {
  const file = Buffer.alloc(bytes, "kernel text, somewhat repetitive. ");
  Buffer.from("7f454c460201010000000000000000000200" + "3e00", "hex").copy(file);
  return file;
};

const size = (bytes: number): Buffer => {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(bytes);
  return buffer;
};

interface Shape {
  readonly payload: Buffer;
  readonly version?: number;
  readonly length?: number;
  readonly offset?: number;
}

/** As the kernel's build makes it: setup sectors, the real-mode header, code, the payload, more code. */
const bzImage = ({ payload, version = 0x020f, length = payload.length, offset = 0x100 }: Shape): Buffer => {
  const image = Buffer.alloc(3 * 512 + 0x100 + payload.length + 64);
  image.writeUInt8(2, 0x1f1);
  image.writeUInt16LE(0xaa55, 0x1fe);
  image.write("HdrS", 0x202, "latin1");
  image.writeUInt16LE(version, 0x206);
  image.writeUInt32LE(offset, 0x248);
  image.writeUInt32LE(length, 0x24c);
  payload.copy(image, 3 * 512 + 0x100);
  return image;
};

const compressed = (tool: string, args: readonly string[], bytes: Buffer): Buffer =>
  execFileSync(tool, args, { input: bytes, maxBuffer: 2 ** 24 });

const gzipped = (bytes: Buffer): Buffer => compressed("gzip", ["-c"], bytes);

const write = async (image: Buffer, name = "vmlinuz"): Promise<string> => {
  const path = join(directory, name);
  await writeFile(path, image);
  return path;
};

const FORMATS: readonly [string, string, readonly string[], boolean][] = [
  ["gzip", "gzip", ["-9c"], false],
  ["xz", "xz", ["-c", "--check=crc32", "--x86", "--lzma2=,dict=1MiB"], true],
  ["lzma", "xz", ["-c", "--format=lzma"], true],
  ["zstd", "zstd", ["-cq"], true],
  ["lz4", "lz4", ["-lcq"], true],
  ["bzip2", "bzip2", ["-c"], true],
];

describe("kernels", () => {
  test.each(FORMATS)("the ELF of a %s bzImage is taken out, once", async (_, tool, args, hasSize) => {
    const kernel = elf();
    const packed = compressed(tool, args, kernel);
    const payload = hasSize ? Buffer.concat([packed, size(kernel.length)]) : packed;
    const path = await write(bzImage({ payload }));
    const [one, two] = await Promise.all([kernels.loadable(path, NEVER), kernels.loadable(path, NEVER)]);
    expect(one).toBe(two);
    expect((await readFile(one)).equals(kernel)).toBe(true);
    const { ino, mode } = await stat(one);
    expect(mode & 0o777).toBe(0o444);
    expect((await stat(await createKernels(cache).loadable(path, NEVER))).ino).toBe(ino);
    expect(await readdir(cache)).toHaveLength(1);
  });

  test("it is for all to read, whatever the umask", async () => {
    const path = await write(bzImage({ payload: gzipped(elf()) }));
    const before = process.umask(0o077);
    try {
      const { mode } = await stat(await kernels.loadable(path, NEVER));
      expect(mode & 0o777).toBe(0o444);
    } finally {
      process.umask(before);
    }
  });

  test("a kernel that is loaded as it is stays where it is", async () => {
    const plain = await write(elf(), "vmlinux");
    expect(await kernels.loadable(plain, NEVER)).toBe(plain);
    const arm = Buffer.alloc(1000);
    arm.write("ARM\x64", 56, "latin1");
    const image = await write(arm, "Image");
    expect(await kernels.loadable(image, NEVER)).toBe(image);
  });

  const lying = (bytes: Buffer, says: number): Buffer =>
    Buffer.concat([compressed("zstd", ["-cq"], bytes), size(says)]);

  test.each<[string, () => Buffer, string]>([
    ["nothing known", () => Buffer.alloc(2000), "unsupported"],
    ["an empty file", () => Buffer.alloc(0), "unsupported"],
    ["an old protocol", () => bzImage({ payload: gzipped(elf()), version: 0x0207 }), "unsupported"],
    ["an unknown compression", () => bzImage({ payload: Buffer.alloc(100, 7) }), "unsupported"],
    ["a payload behind its end", () => bzImage({ payload: gzipped(elf()), length: 2 ** 31 }), "data_loss"],
    [
      "an offset behind its end",
      () => bzImage({ payload: gzipped(elf()), offset: 2 ** 32 - 1 }),
      "data_loss",
    ],
    ["no payload", () => bzImage({ payload: Buffer.alloc(100), length: 0 }), "data_loss"],
    ["something that is no ELF", () => bzImage({ payload: gzipped(Buffer.alloc(5000)) }), "data_loss"],
    ["more than it says", () => bzImage({ payload: lying(elf(), 1000) }), "data_loss"],
    ["less than it says", () => bzImage({ payload: lying(elf(), 400_000) }), "data_loss"],
    ["a size without end", () => bzImage({ payload: lying(elf(), 2 ** 32 - 1) }), "data_loss"],
    ["damage", () => bzImage({ payload: gzipped(elf()).fill(0, 50, 400) }), "data_loss"],
  ])("an image with %s is refused, and nothing is left", async (_, image, code) => {
    const path = await write(image());
    await expect(kernels.loadable(path, NEVER)).rejects.toMatchObject({ code });
    expect(await readdir(cache).catch(() => [])).toEqual([]);
  });

  test("a tool that is missing is named", async () => {
    const path = await write(bzImage({ payload: gzipped(elf()) }));
    const before = process.env["PATH"];
    try {
      process.env["PATH"] = directory;
      await expect(kernels.loadable(path, NEVER)).rejects.toMatchObject({
        code: "failed_precondition",
        hint: expect.stringContaining("Install gzip"),
      });
    } finally {
      process.env["PATH"] = before;
    }
  });

  test("one that hangs is given up with its caller", async () => {
    const path = await write(bzImage({ payload: gzipped(elf()) }));
    await writeFile(join(directory, "gzip"), "#!/bin/sh\nexec /bin/sleep 60\n");
    await chmod(join(directory, "gzip"), 0o755);
    const before = process.env["PATH"];
    const caller = new AbortController();
    try {
      process.env["PATH"] = `${directory}:${before}`;
      const asked = kernels.loadable(path, caller.signal);
      setTimeout(() => caller.abort(new Error("enough")), 300);
      await expect(asked).rejects.toThrow("enough");
    } finally {
      process.env["PATH"] = before;
    }
  });

  test("a changed file is another kernel; the least recently used go", async () => {
    await mkdir(cache);
    const long = new Date(Date.now() - 86_400_000);
    for (let n = 0; n < 20; n++) {
      const path = join(cache, `${String(n).padStart(32, "0")}.elf`);
      await writeFile(path, "");
      await utimes(path, long, long);
    }
    await writeFile(join(cache, ".abandoned.tmp"), "");
    await utimes(join(cache, ".abandoned.tmp"), long, long);
    const path = await write(bzImage({ payload: gzipped(elf()) }));
    const first = await kernels.loadable(path, NEVER);
    expect(await readdir(cache)).toHaveLength(16);
    await writeFile(path, bzImage({ payload: gzipped(elf(300_000)) }));
    const second = await kernels.loadable(path, NEVER);
    expect(second).not.toBe(first);
    expect(await readdir(cache)).toEqual(expect.arrayContaining([first, second].map((it) => it.slice(-36))));
  });
});
