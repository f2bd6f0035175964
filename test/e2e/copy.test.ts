/** `flintlock cp` against a real guest, whose image has no part in it. */

import { execFile, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { CLI, TestDaemon } from "../support/daemon.ts";

let daemon: TestDaemon;
let here: string;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  const image = "flintlock.local/busybox:latest";
  const made = await daemon.flintlock(["create", "--name", "box", image, "sleep", "100000"]);
  expect(made.code, made.stderr).toBe(0);
});
afterAll(() => daemon[Symbol.asyncDispose]());
beforeEach(async () => {
  here = await mkdtemp(join(tmpdir(), "flintlock-copy-"));
});
afterEach(() => rm(here, { recursive: true }));

const cp = async (...args: readonly string[]) => daemon.flintlock(["cp", ...args]);
const copied = async (...args: readonly string[]) => {
  const done = await cp(...args);
  expect(done, done.stderr).toEqual({ code: 0, stdout: "", stderr: "" });
};
const sh = async (script: string): Promise<string> => {
  const { code, stdout, stderr } = await daemon.flintlock([
    "exec",
    "--no-stdin",
    "box",
    "--",
    "sh",
    "-c",
    script,
  ]);
  expect(code, stderr).toBe(0);
  return stdout;
};
const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
const at = (name: string): string => join(here, name);
const bytePath = (name: string): Buffer =>
  Buffer.concat([Buffer.from(`${at(name)}/`), Buffer.from([0x62, 0xff, 0xfe, 0x0a, 0x22])]);

const makeTree = async (root: string): Promise<void> => {
  await mkdir(join(root, "empty"), { recursive: true });
  await mkdir(join(root, "deep", "d".repeat(200), "e".repeat(200)), { recursive: true });
  await writeFile(join(root, "deep", "d".repeat(200), "e".repeat(200), "f".repeat(200)), "deep\n");
  await writeFile(join(root, "big"), randomBytes(3_000_017));
  await writeFile(join(root, "sh"), "#!/bin/sh\necho hello\n");
  await chmod(join(root, "sh"), 0o750);
  await link(join(root, "sh"), join(root, "same"));
  await symlink("../no/such", join(root, "link"));
  await writeFile(join(root, "sparse"), "begin");
  await truncate(join(root, "sparse"), 30_000_000);
  const end = await open(join(root, "sparse"), "r+");
  await end.write("end", 20_000_000);
  await end.close();
  await chmod(join(root, "empty"), 0o1711);
  await utimes(join(root, "empty"), 1_000_000_000, 1_000_000_000);
};

const describe = async (root: string): Promise<Record<string, unknown>> => {
  const all: Record<string, unknown> = {};
  for (const entry of await readdir(root, { withFileTypes: true, recursive: true })) {
    if (entry.name.includes("\ufffd")) continue; // Not UTF-8: looked at by its bytes, apart.
    const path = join(entry.parentPath, entry.name);
    const { mode, size, mtimeMs } = await lstat(path);
    const content = entry.isFile()
      ? sha256(await readFile(path))
      : entry.isSymbolicLink()
        ? await readlink(path)
        : "";
    all[path.slice(root.length)] = [mode, entry.isFile() ? size : 0, Math.floor(mtimeMs / 1000), content];
  }
  return all;
};

test("a tree comes back as it went: modes, times, links, holes, long names and names of any bytes", async () => {
  await makeTree(at("tree"));
  await writeFile(bytePath("tree"), "any byte");
  await copied(at("tree"), "box:/root");
  const lines = await sh(
    "cd /root/tree; stat -c '%n %a %u %g' sh empty; readlink link; du -k sparse; ls -i sh same",
  );
  const [run, empty, target, used = "", ...inodes] = lines.trim().split("\n");
  expect([run, empty, target]).toEqual(["sh 750 0 0", "empty 1711 0 0", "../no/such"]);
  expect(Number.parseInt(used, 10)).toBeLessThan(1000);
  expect(new Set(inodes.map((line) => line.trim().split(/\s+/)[0])).size).toBe(1);
  await copied("box:/root/tree", at("back"));
  expect(await describe(at("back"))).toEqual(await describe(at("tree")));
  expect((await readFile(bytePath("back"))).toString()).toBe("any byte");
  expect((await stat(at("back/sparse"))).blocks).toBeLessThan(2000);
  expect((await stat(at("back/sh"))).ino).toBe((await stat(at("back/same"))).ino);
});

test("a destination is read as docker cp reads it", async () => {
  await mkdir(at("src"));
  await writeFile(at("src/one"), "1");
  await writeFile(at("file"), "content");
  const list = async (path: string) => (await sh(`cd ${path} && find . | sort | tr '\\n' ' '`)).trim();
  await sh("mkdir -p /t/there; echo old > /t/old; ln -s old /t/to-old");
  await copied(at("file"), "box:/t/new"); // makes it
  await copied(at("file"), "box:/t/there"); // goes into it
  await copied(at("file"), "box:/t/to-old"); // takes the place of what is meant
  expect(await sh("cat /t/new /t/there/file /t/old; readlink /t/to-old")).toBe("contentcontentcontentold\n");
  await copied(at("src"), "box:/t/made"); // becomes it
  await copied(at("src"), "box:/t/there/"); // goes into it
  await copied(`${at("src")}/.`, "box:t/there"); // its content does; a guest's path begins at its root
  expect(await list("/t/made")).toBe(". ./one");
  expect(await list("/t/there")).toBe(". ./file ./one ./src ./src/one");
  expect(await cp(at("src"), "box:/t/new")).toMatchObject({
    code: 4,
    stderr: expect.stringContaining("is a file"),
  });
  expect(await cp(at("file"), "box:/t/nowhere/")).toMatchObject({ code: 3 });
  expect(await cp(at("file"), "box:/t/no/where")).toMatchObject({ code: 3 });
  expect(await cp(at("none"), "box:/t")).toMatchObject({ code: 3 });
  expect(await cp("box:/t/none", here)).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("No such file"),
  });
  // and the other way
  await copied("box:/t/new", here);
  await copied("box:/t/new", at("renamed"));
  await copied("box:/t/there/.", at("content"));
  await copied("-L", "box:/t/to-old", here);
  await symlink("file", at("to-file"));
  await copied("box:/t/old", at("to-file"));
  expect(await readFile(at("renamed"), "utf8")).toBe("content");
  expect((await lstat(at("to-old"))).isFile()).toBe(true);
  expect((await lstat(at("to-file"))).isSymbolicLink()).toBe(true);
  expect((await readdir(at("content"))).sort()).toEqual(["file", "one", "src"]);
  expect(await cp("box:/t/there", at("renamed"))).toMatchObject({ code: 4 });
});

test("tar streams go both ways, and a cut one leaves nothing half", async () => {
  await makeTree(at("tree"));
  const run = promisify(execFile);
  await run("tar", ["-C", at("tree"), "--format=pax", "-S", "-cf", at("in.tar"), "."]);
  await sh("mkdir /in /cut");
  const archive = await readFile(at("in.tar"));
  const stream = (bytes: Buffer, ...args: readonly string[]) =>
    daemon.flintlock(["cp", ...args], { stdin: bytes });
  expect(await stream(archive, "-", "box:/in")).toEqual({ code: 0, stdout: "", stderr: "" });
  const out = spawn(process.execPath, [CLI, "-H", `unix://${daemon.socket}`, "cp", "box:/in", "-"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [bytes] = await Promise.all([buffer(out.stdout), new Promise((done) => out.once("close", done))]);
  expect(out.exitCode).toBe(0);
  await writeFile(at("out.tar"), bytes);
  await mkdir(at("out"));
  await run("tar", ["-C", at("out"), "-xpf", at("out.tar")]);
  expect(await describe(at("out/in"))).toEqual(await describe(at("tree")));
  const cut = await stream(archive.subarray(0, archive.length / 2), "-", "box:/cut");
  expect(cut).toMatchObject({ code: 5, stderr: expect.stringContaining("the archive ends early") });
  expect(
    await sh(
      "find /cut -name '.flintlock*'; cd /in; for f in $(cd /cut; find . -type f); do cmp $f /cut/$f; done",
    ),
  ).toBe("");
  expect(await stream(Buffer.alloc(5000, "x"), "-", "box:/cut")).toMatchObject({ code: 5 });
});

test("a full disk is told on either side, and --limit holds", async () => {
  await writeFile(at("big"), randomBytes(8_000_000));
  await sh("mkdir -p /small; mount -t tmpfs -o size=1m none /small");
  const full = await cp(at("big"), "box:/small");
  expect(full).toMatchObject({ code: 5, stderr: expect.stringContaining("No space left on device") });
  expect(await sh("ls -A /small")).toBe("");
  await copied(at("big"), "box:/big");
  const limited = await cp("--limit", "1M", "box:/big", at("limited"));
  expect(limited).toMatchObject({ code: 9, stderr: expect.stringContaining("--limit") });
  expect(await cp("--limit", "1M", at("big"), "box:/limited")).toMatchObject({ code: 9 });
  expect(await sh("ls -A / | grep -e limited -e flintlock-; true")).toBe("");
  expect((await readdir(here)).sort()).toEqual(["big"]);
});

test("owners and setuid come along with -a only; a device stays where it is", async () => {
  await sh("mkdir /own; cd /own; echo x > f; chown 12:34 f; chmod 4755 f; mknod null c 1 3; mkfifo pipe");
  expect(await cp("box:/own", at("plain"))).toMatchObject({
    code: 11,
    stderr: expect.stringContaining("left out own/null"),
  });
  const plain = await stat(at("plain/f"));
  expect([plain.mode & 0o7777, plain.uid]).toEqual([0o755, process.getuid?.()]);
  expect((await readdir(at("plain"))).sort()).toEqual(["f"]);
  if (process.getuid?.() !== 0) return;
  expect(await cp("-a", "box:/own/f", at("kept"))).toMatchObject({ code: 0 });
  const kept = await stat(at("kept"));
  expect([kept.mode & 0o7777, kept.uid, kept.gid]).toEqual([0o4755, 12, 34]);
  await copied("-a", at("kept"), "box:/kept");
  expect(await sh("stat -c '%a %u %g' /kept")).toBe("4755 12 34\n");
});

test("a copy that is interrupted ends at once, and the guest keeps no half of it", async () => {
  const endless = spawn(process.execPath, [CLI, "-H", `unix://${daemon.socket}`, "cp", "-", "box:/root"], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  await writeFile(at("huge"), "");
  await truncate(at("huge"), 3_000_000_000);
  const tar = spawn("tar", ["-C", here, "-cf", "-", "huge"], { stdio: ["ignore", endless.stdin, "ignore"] });
  const ended = new Promise((done) => endless.once("exit", done));
  await expect.poll(() => sh("ls -A /root | grep -c flintlock-; true"), { timeout: 30_000 }).toBe("1\n");
  endless.kill("SIGINT");
  expect(await ended).toBe(130);
  tar.kill();
  await expect.poll(() => sh("ls -A /root | grep -c flintlock-; true"), { timeout: 10_000 }).toBe("0\n");
});
