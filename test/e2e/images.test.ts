/** Root images of every kind, in guests: what the layers say is what the guest sees. */
import { execFile } from "node:child_process";
import { chmod, link, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Result, TestDaemon } from "../support/daemon.ts";
import { type TestImage, writeLayout } from "../support/oci-layout.ts";

const run = promisify(execFile);
let daemon: TestDaemon;
let scratch = "";

beforeAll(async () => {
  daemon = await TestDaemon.start();
  scratch = await mkdtemp(join(tmpdir(), "flintlock-images-"));
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(scratch, { recursive: true });
});

const ok = (result: Result): string => {
  expect(result.code, result.stderr).toBe(0);
  return result.stdout;
};

let count = 0;
/** A directory for one layer. */
const tree = async (fill: (path: (name: string) => string) => Promise<void>): Promise<string> => {
  const root = join(scratch, `tree-${count++}`);
  await mkdir(root);
  await fill((name) => join(root, name));
  return root;
};

const busybox = () =>
  tree(async (path) => {
    await mkdir(path("bin"));
    await run("cp", ["/bin/busybox", path("bin/busybox")]);
    for (const applet of ["sh", "ls", "cat", "stat", "id", "wc", "find", "sort", "mount", "df"]) {
      await symlink("busybox", path(`bin/${applet}`));
    }
  });

const load = async (image: TestImage): Promise<void> => {
  const layout = await writeLayout(join(scratch, `layout-${count++}`), image);
  ok(await daemon.flintlock(["image", "load", layout]));
};

test("whiteouts, opaque directories, hard links across layers, a setuid binary and UTF-8 names arrive as meant", async () => {
  const lower = await tree(async (path) => {
    await mkdir(path("data/old"), { recursive: true });
    await mkdir(path("gone/deep"), { recursive: true });
    await mkdir(path("etc"));
    await writeFile(path("data/old/hidden"), "x");
    await writeFile(path("gone/deep/file"), "x");
    await writeFile(path("data/removed"), "x");
    await writeFile(path("data/kept"), "kept\n");
    await writeFile(path("data/first"), "one inode\n");
    await writeFile(path("etc/passwd"), "root:x:0:0::/:/bin/sh\napp:x:4321:4322::/home/app:/bin/sh\n");
    await writeFile(path("etc/group"), "root:x:0:\napp:x:4322:\nextra:x:99:app\n");
    await writeFile(path("data/grüße-日本"), "name\n");
  });
  const upper = await tree(async (path) => {
    await mkdir(path("data/old"), { recursive: true });
    await mkdir(path("sbin"));
    await writeFile(path("data/.wh.removed"), "");
    await writeFile(path(".wh.gone"), "");
    await writeFile(path("data/old/.wh..wh..opq"), "");
    await writeFile(path("data/old/new"), "new\n");
    await run("cp", ["/bin/busybox", path("sbin/suid")]);
    await chmod(path("sbin/suid"), 0o4755);
    await writeFile(path("data/first"), "one inode\n");
    await link(path("data/first"), path("data/second"));
  });
  await load({
    name: "e2e.test/layers:1",
    layers: [await busybox(), lower, upper],
    config: {
      Entrypoint: ["/bin/sh", "-c"],
      Cmd: ["id; echo $HELLO; pwd"],
      User: "app",
      WorkingDir: "/data",
      Env: ["HELLO=from the image"],
    },
  });
  expect(ok(await daemon.flintlock(["run", "e2e.test/layers:1"]))).toBe(
    "uid=4321(app) gid=4322(app) groups=99(extra),4322(app)\nfrom the image\n/data\n",
  );
  const script = [
    "find /data /gone 2>/dev/null | sort",
    "stat -c '%h %i' /data/first /data/second",
    "stat -c '%a %u:%g' /sbin/suid",
    "cat /data/kept",
  ].join("; ");
  const out = ok(
    await daemon.flintlock([
      "run",
      "--entrypoint",
      "",
      "-u",
      "0",
      "e2e.test/layers:1",
      "--",
      "/bin/sh",
      "-c",
      script,
    ]),
  );
  const lines = out.trimEnd().split("\n");
  expect(lines.slice(0, 7)).toEqual([
    "/data",
    "/data/first",
    "/data/grüße-日本",
    "/data/kept",
    "/data/old",
    "/data/old/new",
    "/data/second",
  ]);
  expect(lines[7]).toMatch(/^2 \d+$/);
  expect(lines[8]).toBe(lines[7]);
  expect(lines.slice(9)).toEqual(["4755 0:0", "kept"]);
});

test("a scratch image with one static binary runs", async () => {
  const source = join(scratch, "hello.c");
  await writeFile(source, '#include <stdio.h>\nint main(void) { puts("alone"); return 9; }\n');
  const only = await tree(async (path) => {
    await run("musl-gcc", ["-static", "-Os", "-o", path("hello"), source]);
  });
  await load({
    name: "e2e.test/scratch:1",
    layers: [only],
    config: { Entrypoint: ["/hello"], User: "65532:65532" },
  });
  const result = await daemon.flintlock(["run", "e2e.test/scratch:1"]);
  expect(result.stdout).toBe("alone\n");
  expect(result.code).toBe(9);
});

test("--disk really makes the file system that large, and a root that is too small is refused with the reason", async () => {
  const size = ok(await daemon.flintlock(["run", "--disk", "3G", "--", "sh", "-c", "df -m / | tail -n 1"]));
  const total = Number(size.trim().split(/\s+/)[1]);
  expect(total).toBeGreaterThan(2800);
  expect(total).toBeLessThanOrEqual(3072);
  const large = await tree(async (path) => {
    await run("dd", ["if=/dev/urandom", `of=${path("blob")}`, "bs=1M", "count=40", "status=none"]);
  });
  await load({ name: "e2e.test/large:1", layers: [await busybox(), large] });
  const refused = await daemon.flintlock(["run", "--disk", "16M", "e2e.test/large:1", "--", "sh"]);
  expect(refused.code).toBe(125);
  expect(refused.stderr).toContain("size_in_mb");
});

test("docker save archives load, list and run; an image in use cannot be removed", async () => {
  const layout = await writeLayout(join(scratch, "for-docker"), {
    name: "e2e.test/docker:7",
    layers: [await busybox()],
    config: { Cmd: ["/bin/sh", "-c", "echo from docker save"] },
  });
  const archive = join(scratch, "saved.tar");
  await run("skopeo", [
    "copy",
    `oci:${layout}:e2e.test/docker:7`,
    `docker-archive:${archive}:e2e.test/docker:7`,
  ]);
  ok(await daemon.flintlock(["image", "load", archive]));
  expect(ok(await daemon.flintlock(["image", "ls"]))).toContain("e2e.test/docker");
  expect(ok(await daemon.flintlock(["run", "-n", "user", "e2e.test/docker:7"]))).toBe("from docker save\n");
  const refused = await daemon.flintlock(["image", "rm", "e2e.test/docker:7"]);
  expect(refused.code).toBe(5);
  expect(refused.stderr).toContain("default/user");
  ok(await daemon.flintlock(["rm", "user"]));
  ok(await daemon.flintlock(["image", "rm", "e2e.test/docker:7"]));
  ok(await daemon.flintlock(["image", "prune"]));
});

test("an image that is nowhere fails at once, and says where it looked", async () => {
  const result = await daemon.flintlock(["run", "127.0.0.1:1/no/such:1"]);
  expect(result.code).toBe(125);
  expect(result.stderr).toContain("127.0.0.1:1");
});
