/** Directories of this host in guests, by virtiofs, with each virtiofsd there is. Only root can sandbox one. */
import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, readFile, realpath, rename, rm, symlink, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Machine, type MachineFilesystem, silentLog } from "@flintlock/core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createSharedRoots } from "../../../packages/daemon/src/adapters/providers/shared/shared-directories.ts";
import {
  createVirtiofs,
  type Virtiofs,
} from "../../../packages/daemon/src/adapters/providers/shared/virtiofsd.ts";
import {
  isConfined,
  listens,
  serversOf,
  startServer,
} from "../../../packages/daemon/src/adapters/providers/shared/virtiofsd-process.ts";
import { type GuestFiles, unpackGuestFiles } from "./guest-files.ts";
import { createQemuHarness, type QemuHarness } from "./qemu-harness.ts";
import { VIRTIOFSDS } from "./virtiofsds.ts";

const signal = new AbortController().signal;

for (const { name, path, isReadOnlyCapable, obstacle } of await VIRTIOFSDS()) {
  describe.skipIf(obstacle !== undefined)(
    `virtiofs on QEMU, ${name}${obstacle === undefined ? "" : `: ${obstacle}`}`,
    () => {
      let unpacked: string;
      let files: GuestFiles;
      let root: string;
      let harness: QemuHarness;
      let virtiofs: Virtiofs;
      beforeAll(async () => {
        unpacked = await mkdtemp(join(tmpdir(), "flintlock-guest-"));
        files = await unpackGuestFiles(unpacked);
      });
      afterAll(async () => await rm(unpacked, { recursive: true }));
      beforeEach(async () => {
        root = await realpath(await mkdtemp(join(tmpdir(), "flintlock-shared-")));
        for (const each of ["one", "two, with a comma"]) await mkdir(join(root, each));
        harness = await createQemuHarness(files);
        virtiofs = createVirtiofs({ binaries: [path], roots: createSharedRoots([root]), log: silentLog });
      });
      afterEach(async () => {
        await harness.close();
        virtiofs.close();
        await rm(root, { recursive: true });
      });

      const machine = (filesystems: readonly MachineFilesystem[], script: string): Promise<Machine> =>
        harness.machine({
          script,
          change: (it) => ({
            ...it,
            filesystems,
            ...(it.guest !== undefined && {
              guest: {
                ...it.guest,
                mounts: filesystems.map(({ tag, isReadOnly }) => ({
                  device: tag,
                  path: `/mnt/${tag}`,
                  fsType: "virtiofs",
                  isReadOnly,
                })),
              },
            }),
          }),
        });
      const shared = (tag: string, directory: string, isReadOnly = false): MachineFilesystem => ({
        volumeId: tag,
        tag,
        hostPath: join(root, directory),
        isReadOnly,
      });
      const resultOf = async (path: string): Promise<string> => {
        for (;;) {
          const text = await readFile(path, "utf8").catch(() => "");
          if (text.includes("done")) return text;
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      };

      test("a guest reads and writes two directories, and sees what the host writes meanwhile", async () => {
        await writeFile(join(root, "one/from-host"), "hello\n");
        const provider = harness.provider({ virtiofs });
        expect(provider.traits.capabilities).toContain("virtiofs");
        const script = [
          "cat /mnt/user/from-host > /mnt/second/copy",
          "mkdir /mnt/second/d && echo inside > /mnt/second/d/f",
          "until [ -e /mnt/user/later ]; do sleep 0.2; done",
          "(ls /mnt/user/..; cat /mnt/user/later; echo done) > /mnt/second/result",
          "while :; do sleep 1; done",
        ].join("\n");
        const vm = await machine([shared("user", "one"), shared("second", "two, with a comma")], script);
        await provider.start(vm, signal);
        await provider.awaitReady(vm, signal);
        await writeFile(join(root, "one/later.tmp"), "later\n");
        await rename(join(root, "one/later.tmp"), join(root, "one/later"));
        expect(await resultOf(join(root, "two, with a comma/result"))).toMatch(/later\ndone/);
        expect(await readFile(join(root, "two, with a comma/copy"), "utf8")).toBe("hello\n");
        expect(await readFile(join(root, "two, with a comma/d/f"), "utf8")).toBe("inside\n");
        expect((await serversOf(vm.uid)).length).toBeGreaterThanOrEqual(2);
        await provider.stop(vm, 10_000, signal);
        expect(await serversOf(vm.uid)).toEqual([]);
      });

      test("a guest that mounts a read-only one for writing cannot write, or is not given it", async () => {
        await writeFile(join(root, "one/kept"), "kept\n");
        const script = [
          "mount -o remount,rw /mnt/user; echo remounted $?  > /mnt/second/result",
          "(echo bad > /mnt/user/kept) 2>>/mnt/second/result",
          "(rm /mnt/user/kept) 2>>/mnt/second/result",
          "(mkdir /mnt/user/d) 2>>/mnt/second/result",
          "cat /mnt/user/kept >> /mnt/second/result",
          "echo done >> /mnt/second/result",
          "while :; do sleep 1; done",
        ].join("\n");
        const provider = harness.provider({ virtiofs });
        const vm = await machine(
          [shared("user", "one", true), shared("second", "two, with a comma")],
          script,
        );
        if (!isReadOnlyCapable) {
          await expect(provider.start(vm, signal)).rejects.toMatchObject({ code: "unsupported" });
          expect(await virtiofs.refusal(join(root, "one"), true)).toMatch(/read-only/);
          return;
        }
        await provider.start(vm, signal);
        await provider.awaitReady(vm, signal);
        const result = await resultOf(join(root, "two, with a comma/result"));
        expect(result).toMatch(/remounted 0\n/);
        expect(result.match(/Read-only file system/g)?.length).toBeGreaterThanOrEqual(2);
        expect(await readFile(join(root, "one/kept"), "utf8")).toBe("kept\n");
        await expect(access(join(root, "one/d"))).rejects.toThrow();
      });

      test("what leads out of the roots is not shared, and leaves nothing behind", async () => {
        await symlink("/etc", join(root, "out"));
        const provider = harness.provider({ virtiofs });
        for (const directory of ["out", "../", "out/ssl", "absent"]) {
          const vm = await machine([shared("user", "one"), shared("second", directory)], "true");
          await expect(provider.start(vm, signal)).rejects.toMatchObject({ code: "permission_denied" });
          expect(await virtiofs.refusal(join(root, directory), false)).toMatch(/shares/);
          expect(await serversOf(vm.uid)).toEqual([]);
          expect(await provider.observe(vm)).toEqual({ state: "absent" });
        }
        expect(await virtiofs.refusal(join(root, "one"), false)).toBeUndefined();
      });

      test("a server whose root is another directory than the open one is found out", async () => {
        const { handle } = await createSharedRoots([root]).open(join(root, "one"));
        const other = join(root, "two, with a comma").replaceAll(",", name.includes("C") ? "\\," : ",");
        const options = name.includes("C") ? ["-f", "-o", `source=${other}`] : [`--shared-dir=${other}`];
        const command = {
          binary: path,
          args: ["--socket-path=s", ...options],
          uid: "01RACE",
          index: 0,
          directory: unpacked,
        };
        const server = startServer(command);
        let vmm: Socket | undefined;
        try {
          const limit = AbortSignal.timeout(10_000);
          await listens(server, join(unpacked, "s"), limit);
          vmm = connect(join(unpacked, "s"));
          await expect(isConfined(server, handle, limit)).rejects.toMatchObject({
            code: "permission_denied",
          });
        } finally {
          vmm?.destroy();
          await killServersOf("01RACE");
          await handle.close();
        }
      });

      test("a server that dies ends its VMM, also at another daemon's; a VMM that dies takes its servers along", async () => {
        const provider = harness.provider({ virtiofs });
        const vm = await machine([shared("user", "one")], "while :; do sleep 1; done");
        await provider.start(vm, signal);
        await provider.awaitReady(vm, signal);
        await provider.close();
        const heir = harness.provider({
          virtiofs: createVirtiofs({ binaries: [path], roots: createSharedRoots([]), log: silentLog }),
        });
        expect((await heir.observe(vm)).state).toBe("running");
        await killServersOf(vm.uid);
        await heir.exited(vm, signal);
        expect(await heir.observe(vm)).toMatchObject({
          state: "exited",
          wasReady: true,
          exit: { reason: "virtiofsd ended" },
        });

        await provider.start(vm, signal);
        await provider.awaitReady(vm, signal);
        await harness.crash(vm);
        await provider.exited(vm, signal);
        await expect.poll(() => serversOf(vm.uid), { timeout: 10_000 }).toEqual([]);
      });
    },
  );
}

const run = promisify(execFile);
test.skipIf(process.geteuid?.() !== 0)("nothing of these tests is left mounted", async () => {
  expect((await run("cat", ["/proc/self/mountinfo"])).stdout).not.toContain("flintlock-shared");
});

/** One may take another along before its turn comes. */
const killServersOf = async (uid: string): Promise<void> => {
  for (const { pid } of await serversOf(uid)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It is gone.
    }
  }
};
