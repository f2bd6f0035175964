import { execFile } from "node:child_process";
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ByteSource } from "./byte-source.ts";
import { packTree } from "./pack-tree.ts";
import { readTar } from "./read-tar.ts";
import { paddingOf, type Segment, type TarEntry } from "./tar-entry.ts";
import { unpackTree } from "./unpack-tree.ts";
import { writeHeader } from "./write-header.ts";

let root: string;
let leftOut: string[];
beforeEach(async () => {
  leftOut = [];
  root = await mkdtemp(join(tmpdir(), "copy-"));
  await mkdir(join(root, "to"));
});
afterEach(() => rm(root, { recursive: true }));

const at = (...names: readonly string[]) => join(root, ...names);

type Part = Partial<TarEntry> &
  Pick<TarEntry, "path" | "type"> & { readonly data?: string; readonly map?: readonly Segment[] };

const entry = ({ data = "", map, ...part }: Part): Buffer => {
  const defaults = { link: "", mode: 0o644, uid: 0, gid: 0, mtime: 1_000_000_000, size: data.length };
  const bytes = Buffer.from(data);
  return Buffer.concat([
    writeHeader({ ...defaults, ...part }, map),
    bytes,
    Buffer.alloc(paddingOf(bytes.length)),
  ]);
};
const END = Buffer.alloc(1024);
const archive = (...parts: readonly Part[]): Buffer => Buffer.concat([...parts.map(entry), END]);

/** Three bytes at a time: nothing may depend on where a chunk ends. */
const chunks = async function* (bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += 333) yield bytes.subarray(start, start + 333);
};

const unpack = (
  bytes: Buffer,
  name = "x",
  { maxBytes = Number.POSITIVE_INFINITY, keepsOwners = false } = {},
) =>
  unpackTree(readTar(new ByteSource(chunks(bytes), maxBytes, () => new Error("too much"))), {
    directory: at("to"),
    name,
    keepsOwners,
    onLeftOut: (path) => leftOut.push(path),
  });

const refused = async (bytes: Buffer, code: string) => {
  await expect(unpack(bytes)).rejects.toMatchObject({ code });
  expect((await readdir(root, { recursive: true })).filter((name) => /evil|flintlock-/.test(name))).toEqual(
    [],
  );
};

const DIRECTORY = { path: "d", type: "directory", mode: 0o755 } as const;

test("names that lead out of the destination are refused", async () => {
  for (const path of ["d/../../evil", "d/a/../../../evil", "/d/evil", "../evil", "evil", "d/.."]) {
    await refused(archive(DIRECTORY, { path, type: "file", data: "evil" }), "data_loss");
  }
  // whatever it calls the first, that is ours to name
  await unpack(archive({ path: "..", type: "directory" }, { path: "../f", type: "file" }), "mine");
  expect((await readdir(root, { recursive: true })).sort()).toEqual(["to", "to/mine", "to/mine/f", "to/x"]);
  await refused(archive(DIRECTORY, { path: `d/${"n".repeat(256)}`, type: "file" }), "data_loss");
});

test("a symlink is written as it is, and nothing goes through it", async () => {
  await mkdir(at("outside"));
  const through = (type: "symlink", link: string) =>
    [DIRECTORY, { path: "d/out", type, link }, { path: "d/out/evil", type: "file", data: "evil" }] as const;
  await refused(archive(...through("symlink", "../../outside")), "conflict");
  await refused(archive(...through("symlink", at("outside"))), "conflict");
  await refused(
    archive(
      DIRECTORY,
      { path: "d/out", type: "symlink", link: at("outside") },
      { path: "d/out", type: "directory" },
    ),
    "conflict",
  );
  // one that was here before
  await symlink(at("outside"), at("to/x/mine"));
  await refused(archive(DIRECTORY, { path: "d/mine/evil", type: "file" }), "conflict");
  expect(await readdir(at("outside"))).toEqual([]);
});

test("a file takes the place of a symlink, not of what that leads to", async () => {
  await writeFile(at("secret"), "mine");
  await symlink(at("secret"), at("to/x"));
  await unpack(archive({ path: "f", type: "file", data: "theirs" }));
  expect([await readFile(at("secret"), "utf8"), await readFile(at("to/x"), "utf8")]).toEqual([
    "mine",
    "theirs",
  ]);
  await unpack(archive({ path: "f", type: "symlink", link: "/etc/passwd" }));
  expect((await lstat(at("to/x"))).isSymbolicLink()).toBe(true);
});

test("hard links reach only what is in the destination", async () => {
  await writeFile(at("secret"), "mine");
  const linked = (to: string) => archive(DIRECTORY, { path: "d/evil", type: "hardlink", link: to });
  for (const to of ["../secret", "d/../../secret", at("secret"), "/etc/passwd"])
    await refused(linked(to), "data_loss");
  const indirect = [DIRECTORY, { path: "d/up", type: "symlink", link: root }] as const;
  await refused(archive(...indirect, { path: "d/evil", type: "hardlink", link: "d/up/secret" }), "conflict");
  await unpack(
    archive(
      DIRECTORY,
      { path: "d/one", type: "file", data: "1" },
      { path: "d/two", type: "hardlink", link: "d/one" },
    ),
  );
  expect((await stat(at("to/x/two"))).ino).toBe((await stat(at("to/x/one"))).ino);
});

test("devices and pipes are left out, and setuid too unless owners are kept", async () => {
  const parts = (["char", "block", "fifo"] as const).map((type) => ({ path: `d/${type}`, type }));
  await unpack(archive(DIRECTORY, ...parts, { path: "d/su", type: "file", mode: 0o6755 }));
  expect(leftOut).toEqual(["d/char", "d/block", "d/fifo"]);
  expect(await readdir(at("to/x"))).toEqual(["su"]);
  expect((await stat(at("to/x/su"))).mode & 0o7777).toBe(0o755);
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  await unpack(archive({ path: "su", type: "file", mode: 0o4755, ...owner }), "kept", { keepsOwners: true });
  expect((await stat(at("to/kept"))).mode & 0o7777).toBe(0o4755);
});

test("a directory that may not be written to is filled first, and has its time", async () => {
  await unpack(archive({ ...DIRECTORY, mode: 0o555 }, { path: "d/f", type: "file", data: "1" }));
  const made = await stat(at("to/x"));
  expect([made.mode & 0o7777, made.mtimeMs]).toEqual([0o555, 1_000_000_000_000]);
  await chmod(at("to/x"), 0o755);
});

test("what is cut, damaged or impossible leaves no file with its name", async () => {
  const whole = archive({ path: "f", type: "file", data: "x".repeat(5000) });
  for (const length of [0, 100, 512, 513, 5000, 5512]) {
    await refused(whole.subarray(0, length), "data_loss");
    expect(await readdir(at("to")), String(length)).toEqual([]);
  }
  await refused(whole.subarray(0, whole.length - END.length), "data_loss"); // the file is whole, the archive is not
  await rm(at("to/x"));
  const broken = Buffer.from(whole);
  broken.write("7", 100);
  await refused(broken, "data_loss");
  await refused(Buffer.alloc(4096, "x"), "data_loss");
  await refused(END, "data_loss");
  const holes = (map: readonly Segment[], size = 100) =>
    archive({ path: "f", type: "file", size, data: "abc", map });
  await refused(holes([{ start: 98, length: 3 }]), "data_loss");
  await refused(holes([{ start: 0, length: 3 }], Number.MAX_SAFE_INTEGER + 2), "data_loss");
  await unpack(holes([{ start: 50, length: 3 }]));
  expect(await readFile(at("to/x"))).toEqual(
    Buffer.concat([Buffer.alloc(50), Buffer.from("abc"), Buffer.alloc(47)]),
  );
});

test("no more is taken than was allowed", async () => {
  const big = archive({ path: "f", type: "file", data: "x".repeat(50_000) });
  await expect(unpack(big, "x", { maxBytes: 20_000 })).rejects.toThrow("too much");
  expect(await readdir(at("to"))).toEqual([]);
});

test("GNU tar reads what we pack, and we read what it packs", async () => {
  const long = "n".repeat(180);
  await mkdir(at("from", "empty"), { recursive: true });
  await writeFile(at("from", long), "long");
  await writeFile(at("from", "hole"), "begin");
  await truncate(at("from", "hole"), 5_000_000);
  await link(at("from", long), at("from", "same"));
  await symlink(long, at("from", "link"));
  const packed: Uint8Array[] = [];
  for await (const piece of packTree({ path: at("from"), name: "from", onLeftOut: () => {} }))
    packed.push(piece);
  await writeFile(at("x.tar"), Buffer.concat(packed));
  const run = promisify(execFile);
  await run("tar", ["-C", at("to"), "-xf", at("x.tar")]);
  await run("diff", ["-r", "--no-dereference", at("from"), at("to/from")]);
  expect((await stat(at("to/from/hole"))).blocks).toBeLessThan(1000);
  expect((await stat(at("to/from/same"))).ino).toBe((await stat(at("to/from", long))).ino);
  await run("tar", ["-C", root, "--format=pax", "-S", "-cf", at("y.tar"), "from"]);
  await unpack(await readFile(at("y.tar")));
  await run("diff", ["-r", "--no-dereference", at("from"), at("to/x")]);
  expect((await stat(at("to/x/hole"))).blocks).toBeLessThan(1000);
});
