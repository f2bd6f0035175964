/**
 * Upstream's guest-agent in a guest against our host side, and its vsock-connect against both agents. Both programs are
 * looked for in FLINTLOCK_VMM_DIR.
 */
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@flintlock/client";
import { Client, credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cpio } from "../../packages/daemon/src/adapters/providers/shared/initrd.ts";
import { type GuestFiles, unpackGuestFiles } from "../integration/providers/guest-files.ts";
import { vmmBinaries } from "../integration/providers/vmm-binaries.ts";
import { runProgram, TestDaemon } from "../support/daemon.ts";
import { execIn } from "../support/guest-services.ts";
import { writeLayout } from "../support/oci-layout.ts";

const PROVIDERS = [
  { provider: "firecracker", option: "firecracker-bin", program: "firecracker" },
  { provider: "cloudhypervisor", option: "cloudhypervisor-bin", program: "cloud-hypervisor" },
] as const;
const VMM_DIR = process.env["FLINTLOCK_VMM_DIR"] ?? "/nowhere";
const CREATED = 1;
const KERNEL = { image: "flintlock.local/kernel:latest", filename: "boot/vmlinuz" };

const missing = (
  await Promise.all(
    ["guest-agent", "vsock-connect"].map((name) =>
      access(join(VMM_DIR, name)).then(
        () => [],
        () => [name],
      ),
    ),
  )
).flat();

/** Our modules, and instead of our init a shell that starts upstream's agent. */
const theirInitrd = async (files: GuestFiles): Promise<Uint8Array> => {
  const modules = ["virtio", "virtio_ring", "virtio_mmio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev"]
    .concat(["virtio_pci", "button", "vsock", "vmw_vsock_virtio_transport_common"])
    .concat("vmw_vsock_virtio_transport");
  const script = [
    "#!/bin/sh",
    "/bin/busybox mkdir -p /usr/bin /tmp",
    "/bin/busybox --install -s /bin",
    "mount -t proc proc /proc; mount -t devtmpfs dev /dev",
    // Whichever needs which: three rounds are enough.
    `for round in 1 2 3; do for name in ${modules.join(" ")}; do`,
    "insmod /lib/modules/$name.ko 2>/dev/null; done; done",
    "while :; do /bin/guest-agent; sleep 1; done",
    "",
  ].join("\n");
  const busybox = await readFile(join(files.kernelPath, "../../../root/bin/busybox"));
  return Buffer.concat([
    await readFile(files.initrdPath),
    cpio([
      { name: "bin", mode: 0o040755, data: new Uint8Array() },
      { name: "bin/busybox", mode: 0o100755, data: busybox },
      { name: "bin/sh", mode: 0o120777, data: Buffer.from("busybox") },
      { name: "bin/guest-agent", mode: 0o100755, data: await readFile(join(VMM_DIR, "guest-agent")) },
      { name: "etc", mode: 0o040755, data: new Uint8Array() },
      {
        name: "etc/passwd",
        mode: 0o100644,
        data: Buffer.from("root:x:0:0::/:/bin/sh\nwww:x:7:8::/srv:/bin/sh\n"),
      },
      { name: "init", mode: 0o100755, data: Buffer.from(script) },
    ]),
  ]);
};

for (const { provider, option, program } of PROVIDERS) {
  for (const { name, path, obstacle } of await vmmBinaries(program)) {
    const why =
      obstacle ?? (missing.length > 0 ? `no ${missing.join(" and ")} in FLINTLOCK_VMM_DIR` : undefined);
    describe.skipIf(why !== undefined)(why === undefined ? name : `${name}: ${why}`, () => {
      let directory: string;
      let daemon: TestDaemon;
      let client: ReturnType<typeof createClient>;
      let grpc: Client;
      let theirs: string;
      let ours: string;
      beforeAll(async () => {
        directory = await mkdtemp(join(tmpdir(), "flintlock-upstream-"));
        const files = await unpackGuestFiles(directory);
        await mkdir(join(directory, "tree"));
        await writeFile(join(directory, "tree/initrd"), await theirInitrd(files));
        const image = { name: "test.local/theirs:latest", layers: [join(directory, "tree")] };
        await writeLayout(join(directory, "layout"), image);
        daemon = await TestDaemon.start([
          ...["--default-provider", provider, `--${option}`, path ?? name],
          ...["--enable-exec-api", "--enable-ssh-proxy-api"],
        ]);
        client = createClient({ address: `unix://${daemon.socket}` });
        grpc = new Client(`unix:${daemon.socket}`, credentials.createInsecure());
        const loaded = await daemon.flintlock(["image", "load", join(directory, "layout")]);
        expect(loaded.code, loaded.stderr).toBe(0);
        theirs = await create("theirs", { image: image.name, filename: "initrd" });
        for (let left = 120; (await run("true")).code !== 0; left--) {
          if (left === 0) throw new Error("upstream's agent does not come up");
          await sleep(1000);
        }
        ours = await create("ours");
      });
      afterAll(async () => {
        grpc?.close();
        client?.close();
        await daemon?.[Symbol.asyncDispose]();
        await rm(directory, { recursive: true, force: true });
      });

      const create = async (id: string, initrd?: { image: string; filename: string }): Promise<string> => {
        const root = { id: "root", source: { containerSource: "flintlock.local/busybox:latest" } };
        const spec = { id, namespace: "ns", vcpu: 1, memoryInMb: 256, kernel: KERNEL, rootVolume: root };
        const { microvm } = await client.v1alpha1.createMicroVM({
          microvm: { ...spec, allowGuestAgent: true, ...(initrd && { initrd }) },
        });
        const target = microvm?.spec?.uid ?? "";
        for await (const vm of client.microvms.wait({ target, condition: "running" })) {
          if (vm.microvm?.status?.state === CREATED) break;
        }
        return target;
      };
      const run = (script: string, more: object = {}, input?: Buffer) =>
        execIn(grpc, { uid: theirs, cmd: script, shell: true, ...more }, input);
      const socketOf = async (uid: string): Promise<string> =>
        (await client.v1alpha1.getMicroVM({ uid })).microvm?.status?.vsockPath ?? "";

      test("commands run by their agent are as they are by ours", async () => {
        expect(await run("echo out; echo err >&2; exit 3")).toMatchObject({ stderr: "err\n", code: 3 });
        const bytes = Buffer.alloc(300_000, "flintlock ");
        const { stdout, code } = await run("cat", {}, bytes);
        expect([stdout.equals(bytes), code]).toEqual([true, 0]);
        const asked = { env: { GREETING: "good day" }, cwd: "/bin", user: "www" };
        const told = await run('echo "$GREETING"; pwd; id -u; echo $HOME', asked);
        expect(told.stdout.toString()).toBe("good day\n/bin\n7\n/srv\n");
        expect(await run("sleep 1000", { timeoutSeconds: 1 })).toMatchObject({ code: 143 });
        expect(await run("kill -9 $$")).toMatchObject({ code: 137 });
        expect(await run("true", { user: "nobody-here" })).toMatchObject({
          code: 126,
          error: expect.stringContaining("nobody-here"),
        });
        expect(await execIn(grpc, { uid: theirs, cmd: "/no/such" })).toMatchObject({ code: 127 });
        expect(await daemon.flintlock(["exec", theirs, "--", "cat"], { stdin: "hello" })).toMatchObject({
          code: 0,
          stdout: "hello",
        });
      });

      test("what their agent has not is refused, and does not hang", async () => {
        const terminal = await daemon.flintlock(["exec", "--tty", theirs, "--", "sh"], { stdin: "" });
        expect([terminal.code, terminal.stderr]).toEqual([125, expect.stringContaining("no terminal")]);
        const attached = await daemon.flintlock(["attach", theirs]);
        expect([attached.code, attached.stderr]).toEqual([
          10,
          expect.stringMatching(/unknown op|cannot be attached to/),
        ]);
      });

      test("their vsock-connect speaks with both agents", async () => {
        for (const uid of [theirs, ours]) {
          const at = ["--uds", await socketOf(uid), "--port", "1024"];
          const connect = (words: readonly string[], stdin?: string) =>
            runProgram(join(VMM_DIR, "vsock-connect"), words, stdin === undefined ? {} : { stdin });
          expect(await connect(["ping", ...at])).toMatchObject({ code: 0 });
          const info = await connect(["info", ...at]);
          expect(JSON.parse(info.stdout)).toMatchObject({ uname: expect.stringContaining("Linux") });
          const both = await connect(["exec", ...at, "--shell", "--", "echo out; echo err >&2; exit 3"]);
          expect(both).toMatchObject({ stdout: "out\n", stderr: "err\n", code: 3 });
          const echo = await connect(["exec", ...at, "--stdin", "--", "cat"], "good day");
          expect(echo).toMatchObject({ stdout: "good day", code: 0 });
          const late = await connect(["exec", ...at, "--timeout", "1", "--", "sleep", "1000"]);
          expect(late.code).toBe(143);
        }
      });

      test("a guest with their agent pauses, resumes and stops", async () => {
        for (const verb of ["pause", "resume"]) {
          const result = await daemon.flintlock([verb, theirs]);
          expect(result.code, result.stderr).toBe(0);
        }
        const stopped = await daemon.flintlock(["stop", "--grace", "2s", theirs]);
        expect(stopped.code, stopped.stderr).toBe(0);
      });
    });
  }
}
