import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GuestConfig } from "@flintlock/core";
import { expect, test } from "vitest";
import { cpio, writeGuestInitrd } from "./initrd.ts";

const config: GuestConfig = {
  version: 1,
  hostname: "näme",
  root: { device: "/dev/vda", fsType: "ext4", isReadOnly: false },
  mounts: [],
  interfaces: [],
  nameservers: [],
  boot: { prefer: "process", init: "/sbin/init", process: undefined },
};

test("the archive is read by cpio, with modes and contents", async () => {
  const directory = await mkdtemp(join(tmpdir(), "initrd-"));
  try {
    const archive = cpio([
      { name: "flintlock", mode: 0o040755, data: new Uint8Array() },
      { name: "flintlock/config.json", mode: 0o100600, data: Buffer.from("hello") },
    ]);
    expect(archive.length % 4).toBe(0);
    execFileSync("cpio", ["-idm", "--quiet"], { cwd: directory, input: archive });
    expect(await readFile(join(directory, "flintlock/config.json"), "utf8")).toBe("hello");
    expect((await stat(join(directory, "flintlock/config.json"))).mode & 0o777).toBe(0o600);
    expect((await stat(join(directory, "flintlock"))).mode & 0o777).toBe(0o755);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("the configuration starts at a multiple of four bytes after the base, which stays as it was", async () => {
  const directory = await mkdtemp(join(tmpdir(), "initrd-"));
  try {
    const base = join(directory, "base");
    await writeFile(base, "seventeen bytes!!");
    const path = await writeGuestInitrd({ directory, initrdPath: base }, config);
    await writeGuestInitrd({ directory, initrdPath: base }, config);
    const bytes = await readFile(path);
    expect(bytes.subarray(0, 17).toString()).toBe("seventeen bytes!!");
    expect(bytes.subarray(17, 20)).toEqual(Buffer.alloc(3));
    expect(bytes.subarray(20, 26).toString()).toBe("070701");
    expect(bytes.toString()).toContain(JSON.stringify(config));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readFile(base, "utf8")).toBe("seventeen bytes!!");
  } finally {
    await rm(directory, { recursive: true });
  }
});
