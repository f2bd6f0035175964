import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listFiles, tarDirectory } from "./tar-directory.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "tar-"));
});
afterEach(() => rm(root, { recursive: true }));

test("tar itself unpacks what we wrote, long names too", async () => {
  const source = join(root, "in");
  const long = join("blobs", "d".repeat(90), "f".repeat(64));
  await mkdir(join(source, "blobs", "d".repeat(90)), { recursive: true });
  await writeFile(join(source, "index.json"), "{}");
  await writeFile(join(source, "empty"), "");
  await writeFile(join(source, long), Buffer.alloc(100_001, 7));
  const chunks: Uint8Array[] = [];
  for await (const chunk of tarDirectory(source, await listFiles(source))) chunks.push(chunk);
  await writeFile(join(root, "x.tar"), Buffer.concat(chunks));
  await mkdir(join(root, "out"));
  await promisify(execFile)("tar", ["-xf", join(root, "x.tar"), "-C", join(root, "out")]);
  expect(await readFile(join(root, "out/index.json"), "utf8")).toBe("{}");
  expect(await readFile(join(root, "out/empty"), "utf8")).toBe("");
  expect((await readFile(join(root, "out", long))).equals(Buffer.alloc(100_001, 7))).toBe(true);
});

test("links are refused, and so is a file that changes meanwhile", async () => {
  await writeFile(join(root, "a"), "12345");
  const files = await listFiles(root);
  await writeFile(join(root, "a"), "1");
  const read = async () => {
    for await (const _ of tarDirectory(root, files));
  };
  await expect(read()).rejects.toThrow("was changed while it was read");
  await symlink("/etc/passwd", join(root, "link"));
  await expect(listFiles(root)).rejects.toThrow("neither a file nor a directory");
});
