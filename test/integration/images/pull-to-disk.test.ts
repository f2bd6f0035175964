import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createImageDisks } from "../../../packages/daemon/src/adapters/images/disk/image-disks.ts";
import { TestLayout } from "./support/layout.ts";
import { startRegistry, upload } from "./support/registry.ts";
import { missingPrograms } from "./support/requirements.ts";
import { failure, namesIn, openStore, pullNow, ref, within } from "./support/store.ts";
import { tarOf } from "./support/tar.ts";
import { openWorkplace } from "./support/workplace.ts";

const missing = missingPrograms("docker-registry", "zstd", "e2fsck", "debugfs");

describe.skipIf(missing)("from a registry to a disk", () => {
  test("a pulled image becomes a clean ext4 disk and gives its files", async () => {
    await using workplace = await openWorkplace();
    const registry = await startRegistry(workplace);
    const layout = await TestLayout.create(join(workplace.path, "layout"));
    const image = await layout.image([
      { tar: tarOf({ "etc/a": "lower", "boot/vmlinux": "kernel" }), compression: "gzip" },
      { tar: tarOf({ "etc/a": "upper" }), compression: "zstd" },
      { tar: tarOf({ "etc/c": "plain" }), compression: "none" },
    ]);
    await upload(layout.path, image, `${registry}/whole`, "1");

    const root = join(workplace.path, "store");
    const store = await openStore(root, { disks: createImageDisks({ workerUrl: undefined }) });
    const { digest } = await pullNow(store, ref(`${registry}/whole:1`));
    const disk = await store.baseDisk(digest, 64, within(30_000));
    expect(disk).toMatchObject({ filesystem: "ext4", sizeBytes: 64 * 1024 * 1024 });
    execFileSync("e2fsck", ["-fn", disk.path], { stdio: "ignore" });
    const read = (path: string) =>
      execFileSync("debugfs", ["-R", `cat ${path}`, disk.path], { stdio: ["ignore", "pipe", "ignore"] });
    expect(read("/etc/a").toString()).toBe("upper");
    expect(read("/etc/c").toString()).toBe("plain");

    const kernel = await store.file(digest, "/boot/vmlinux", within(10_000));
    expect(await readFile(kernel, "utf8")).toBe("kernel");
    expect((await failure(store.file(digest, "boot/absent", within(10_000)))).code).toBe("not_found");
    expect((await failure(store.file(digest, "boot", within(10_000)))).code).not.toBe("internal");
    expect(await namesIn(root, "ingest")).toEqual([]);
  });
});
