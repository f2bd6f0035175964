import { execFileSync } from "node:child_process";
import { mkdtemp, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  STATUS_DISK_BYTES,
  STATUS_LOG,
} from "../../../packages/daemon/src/adapters/providers/shared/guest-status.ts";
import { startBareGuest } from "./bare-guest.ts";
import { type GuestFiles, unpackGuestFiles } from "./guest-files.ts";

let root: string;
let files: GuestFiles;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "flintlock-bare-"));
  files = await unpackGuestFiles(root);
});
afterAll(async () => await rm(root, { recursive: true }));

test("a guest without virtio-serial tells its life on its last disk", async () => {
  const volume = join(root, "data.raw");
  await writeFile(volume, "");
  await truncate(volume, 16 * 1024 * 1024);
  execFileSync("mkfs.ext4", ["-q", "-F", volume]);
  await using guest = await startBareGuest({
    files,
    root,
    script: "grep -q ' /data ext4 ' /proc/mounts && sleep 1 && exit 3",
    volumes: [volume],
    config: { mounts: [{ device: "/dev/vdb", path: "/data", fsType: "ext4", isReadOnly: false }] },
  });
  const ready = await guest.awaitStatus(({ isReady }) => isReady);
  expect(ready.exitCode).toBeUndefined();
  expect(await guest.awaitStatus(({ exitCode }) => exitCode !== undefined)).toEqual({
    isReady: true,
    exitCode: 3,
    error: undefined,
  });
  await guest.ended();
  const disk = await readFile(join(guest.directory, STATUS_LOG), "latin1");
  expect(disk).toHaveLength(STATUS_DISK_BYTES);
  const lines = disk.replace(/\0+$/, "").trimEnd().split("\n");
  const reports = lines.map((line) => JSON.parse(line));
  // What the agent says besides is for whoever reads its log.
  const states = reports.filter(({ event }) => event !== "log");
  expect(states.map(({ event }) => event)).toEqual(["init", "root", "ready", "exit"]);
  expect(states[2]).toMatchObject({ mode: "process", agent: 0 });
  expect(reports.filter(({ event }) => event === "log").map(({ from }) => from)).toEqual(["agent"]);
});

test("why a guest cannot start stands there as well", async () => {
  await using guest = await startBareGuest({ files, root, script: "true", process: { user: "nobody-here" } });
  const { error } = await guest.awaitStatus((status) => status.error !== undefined);
  expect(error).toMatchObject({ step: "process", message: expect.stringContaining("nobody-here") });
  await guest.ended();
});

test("a full disk has room for the end alone, and what was there stays", async () => {
  await using guest = await startBareGuest({
    files,
    root,
    script: "exit 4",
    prepare: async (directory) => {
      await using disk = await open(join(directory, STATUS_LOG), "r+");
      await disk.write(Buffer.alloc(STATUS_DISK_BYTES - 900, "x\n"));
    },
  });
  await guest.ended();
  const disk = await readFile(join(guest.directory, STATUS_LOG), "latin1");
  expect(disk).toHaveLength(STATUS_DISK_BYTES);
  expect(disk.replace(/\0+$/, "").slice(STATUS_DISK_BYTES - 900)).toMatch(
    /^{"event":"exit","t":[\d.]+,"code":4}\n$/,
  );
});
