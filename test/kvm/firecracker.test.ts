/** What only Firecracker has, on each of FLINTLOCK_VMM_DIR where a guest runs under KVM. */
import { execFile } from "node:child_process";
import { access, lstat, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { AGENT_PORT, type ByteStream, type Machine, type MachineMetric } from "@flintlock/core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { cpio } from "../../packages/daemon/src/adapters/providers/shared/initrd.ts";
import { createVmmProcesses } from "../../packages/daemon/src/adapters/providers/shared/vmm-process.ts";
import type { VmmProvider } from "../../packages/daemon/src/adapters/providers/shared/vmm-provider.ts";
import {
  createFirecrackerHarness,
  type FirecrackerHarness,
} from "../integration/providers/firecracker-harness.ts";
import { type GuestFiles, unpackGuestFiles } from "../integration/providers/guest-files.ts";
import { vmmBinaries } from "../integration/providers/vmm-binaries.ts";

const run = promisify(execFile);
const NEVER = new AbortController().signal;
const LIMIT = { timeout: 300_000 };
const base64 = (text: string): string => Buffer.from(text).toString("base64");

for (const { name, path, obstacle } of await vmmBinaries("firecracker")) {
  describe.skipIf(obstacle !== undefined)(`${name}${obstacle === undefined ? "" : `: ${obstacle}`}`, () => {
    let directory: string;
    let files: GuestFiles;
    let harness: FirecrackerHarness;
    let provider: VmmProvider;
    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), "flintlock-guest-"));
      files = await unpackGuestFiles(directory);
    });
    afterAll(async () => await rm(directory, { recursive: true }));
    beforeEach(async () => {
      harness = await createFirecrackerHarness(files, path ?? name);
      provider = harness.provider();
    });
    afterEach(() => harness.close(), LIMIT.timeout);

    const boot = async (machine: Machine): Promise<number> => {
      await provider.start(machine, NEVER);
      await provider.awaitReady(machine, NEVER);
      const state = await provider.observe(machine);
      if (state.state !== "running") throw new Error(state.state);
      return state.pid;
    };

    test(
      "one client has the console: it types, and reads what is answered; the next daemon's does too",
      LIMIT,
      async () => {
        const machine = await harness.machine({
          script: 'while read -r line; do echo "heard $line"; done </dev/console',
        });
        await boot(machine);
        for (const daemon of [provider, harness.provider()]) {
          await using console_ = await daemon.console(machine, NEVER);
          await expect(daemon.console(machine, NEVER)).rejects.toMatchObject({ code: "failed_precondition" });
          await console_.write(Buffer.from("hello\n"));
          expect(await readUntil(console_, "heard hello")).toContain("heard hello");
        }
        await provider.stop(machine, 0, NEVER);
        await expect(provider.console(machine, NEVER)).rejects.toMatchObject({ code: "unavailable" });
      },
    );

    test("the agent is reached through a link that needs no daemon", LIMIT, async () => {
      const machine = await harness.machine({
        pathPrefix: "d".repeat(100),
        change: (it) => ({ ...it, hasAgentSocket: true }),
      });
      await boot(machine);
      expect(await provider.agentSocket.observe(machine)).toBe("absent");
      const socket = await provider.agentSocket.open(machine, NEVER);
      expect(await harness.provider().agentSocket.observe(machine)).toBe("open");
      await provider.close();
      expect(await firstLine(socket, `CONNECT ${AGENT_PORT}\n`)).toMatch(/^OK \d+$/);
      await provider.agentSocket.close(machine);
      expect(await provider.agentSocket.observe(machine)).toBe("absent");
    });

    test("the guest finds its metadata; files are as upstream has them, and private", LIMIT, async () => {
      const tap = await harness.tap();
      const machine = await harness.machine({
        script: [
          "for i in 1 2 3 4 5 6 7 8 9 10; do",
          "wget -qO- http://169.254.169.254/latest/meta-data && break; sleep 1; done >/dev/console 2>&1",
          "while :; do sleep 1; done",
        ].join("\n"),
        change: (it) => ({
          ...it,
          metadata: { "meta-data": base64("instance-id: abc\n"), "user-data": "not base64!" },
          interfaces: [
            {
              deviceId: "eth0",
              mac: "aa:ff:00:00:00:01",
              hostDevice: { name: tap, kind: "tap" },
              isForMetadata: true,
            },
          ],
          guest: it.guest && {
            ...it.guest,
            interfaces: [
              { mac: "aa:ff:00:00:00:01", name: "eth0", addresses: ["169.254.0.1/16"], gateway: undefined },
            ],
          },
        }),
      });
      const pid = await boot(machine);
      await expect
        .poll(() => readFile(join(machine.directory, "console.log"), "latin1"), { timeout: 60_000 })
        .toContain("instance-id: abc");
      const file = (it: string): string => join(machine.directory, it);
      expect(await readFile(file("firecracker.pid"), "utf8")).toBe(String(pid));
      expect(JSON.parse(await readFile(file("metadata.json"), "utf8"))).toEqual({
        latest: { "meta-data": "instance-id: abc\n", "user-data": "not base64!" },
      });
      for (const it of ["firecracker.cfg", "metadata.json", "firecracker.log", "firecracker.stdout"]) {
        expect((await stat(file(it))).mode & 0o777).toBe(0o600);
      }
      const config = JSON.parse(await readFile(file("firecracker.cfg"), "utf8"));
      expect(config["mmds-config"]).toEqual({ version: "V1", network_interfaces: ["eth0"] });
      expect(config["network-interfaces"]).toHaveLength(1);
    });

    test(
      "counters go on from one question to the next, for a new daemon too; the balloon has its own",
      LIMIT,
      async () => {
        const machine = await harness.machine({ change: (it) => ({ ...it, balloonMib: 16 }) });
        await boot(machine);
        const metered = { ...machine, volumeIds: ["root"], interfaces: [] };
        const read = async (from: VmmProvider): Promise<number> =>
          numberOf(await from.metrics(metered, "all", NEVER), "block_root", "read_bytes");
        const first = await read(provider);
        expect(first).toBeGreaterThan(0);
        expect(await read(provider)).toBeGreaterThanOrEqual(first);
        expect(await read(harness.provider())).toBeGreaterThanOrEqual(first);
        const all = await provider.metrics(metered, "all", NEVER);
        expect(numberOf(all, "balloon", "activate_fails")).toBe(0);
      },
    );

    test("a VMM that a daemon did not finish to start is begun anew", LIMIT, async () => {
      const machine = await harness.machine();
      await writeFile(join(machine.directory, "firecracker.log"), "");
      const half = await createVmmProcesses().spawn({
        binary: path ?? name,
        args: ["--id", machine.uid, "--api-sock", "firecracker.sock"],
        directory: machine.directory,
        descriptors: [],
      });
      await expect
        .poll(() =>
          lstat(join(machine.directory, "firecracker.sock")).then(
            () => true,
            () => false,
          ),
        )
        .toBe(true);
      // As if it had died before it wrote who it is.
      await rm(join(machine.directory, "vmm.json"));
      expect(await provider.observe(machine)).toMatchObject({
        state: "running",
        isReady: false,
        pid: half.pid,
      });
      const [pid] = await Promise.all([boot(machine), harness.provider().exited(machine, NEVER)]);
      expect(pid).not.toBe(half.pid);
    });

    test("what Firecracker refuses is said in its words", LIMIT, async () => {
      const machine = await harness.machine({
        change: (it) => ({ ...it, disks: it.disks.map((disk) => ({ ...disk, path: "/nowhere.raw" })) }),
      });
      await expect(provider.start(machine, NEVER)).rejects.toMatchObject({
        code: "provider_failed",
        message: "the VMM refused PUT /drives/root",
        hint: expect.stringContaining("nowhere.raw"),
      });
      expect((await provider.observe(machine)).state).toBe("exited");
    });

    test("a guest that is not ours ends at Ctrl+Alt+Del", LIMIT, async () => {
      const initrdPath = join(directory, "stranger.img");
      await writeFile(initrdPath, await strangersInitrd(files));
      const machine = await harness.machine({
        change: (it) => ({ ...it, initrdPath, guest: undefined, cmdline: { quiet: "" } }),
      });
      await boot(machine);
      await expect
        .poll(() => readFile(join(machine.directory, "console.log"), "latin1"), { timeout: 120_000 })
        .toContain("a stranger is up");
      await provider.stop(machine, 60_000, NEVER);
      expect(await provider.observe(machine)).toMatchObject({
        state: "exited",
        exit: { reason: "guest powered off" },
      });
    });

    test("devices are on PCI where they are asked for and Firecracker has it", LIMIT, async () => {
      const machine = await harness.machine();
      const withPci = harness.provider({ pci: "on" });
      if (/v1\.1[012]\./.test(name)) {
        await expect(withPci.start(machine, NEVER)).rejects.toMatchObject({ code: "unsupported" });
        return;
      }
      await withPci.start(machine, NEVER);
      await withPci.awaitReady(machine, NEVER);
      const config = await readFile(join(machine.directory, "firecracker.cfg"), "utf8");
      expect(config).not.toContain("pci=off");
    });

    const jailer = (path ?? name).replace(/firecracker-(v[^/]*)$/, "jailer-$1");
    test("a jail keeps the VMM to itself, and leaves nothing", LIMIT, async ({ skip }) => {
      const isThere = await access(jailer).then(
        () => true,
        () => false,
      );
      skip(!isThere, `there is no ${jailer}`);
      const jails = join(harness.root, "jails");
      const jailed = harness.provider({
        jail: { binary: jailer, baseDir: jails, userIds: { first: 300_000, count: 10 }, cgroupVersion: "2" },
      });
      const plain = await harness.machine();
      const user = await jailed.hostUser?.(plain);
      const tap = await harness.tap(user?.uid);
      const machine: Machine = {
        ...plain,
        interfaces: [{ deviceId: "eth0", mac: "02:00:00:00:00:01", hostDevice: { name: tap, kind: "tap" } }],
      };
      await jailed.start(machine, NEVER);
      await jailed.awaitReady(machine, NEVER);
      const state = await jailed.observe(machine);
      if (state.state !== "running") throw new Error(state.state);
      const status = await readFile(`/proc/${state.pid}/status`, "utf8");
      const uid = Number(/^Uid:\t(\d+)\t/m.exec(status)?.[1]);
      expect(uid).toBeGreaterThanOrEqual(300_000);
      expect(await jailed.hostUser?.(machine)).toEqual({ uid, gid: uid });
      expect(/^CapEff:\t0+$/m.test(status)).toBe(true);
      expect((await readdir(`/proc/${state.pid}/root/`)).sort()).toEqual(
        [
          ["dev", "disk0", "firecracker.log", "firecracker.metrics", "firecracker.sock", "guest-agent.vsock"],
          ["initrd.img", "kernel", "run", "status.log"],
          (await readdir(`/proc/${state.pid}/root/`)).filter((it) => it.startsWith("firecracker-v")),
        ]
          .flat()
          .sort(),
      );
      const jailRoot = await stat(`/proc/${state.pid}/root/`);
      expect([jailRoot.uid, jailRoot.mode & 0o777]).toEqual([0, 0o711]);
      const cgroup = `/sys/fs/cgroup/flintlock/${machine.uid}`;
      expect(await readFile(join(cgroup, "memory.max"), "utf8")).toBe(`${(256 + 128) * 1024 * 1024}\n`);
      expect(await readFile(join(cgroup, "cpu.max"), "utf8")).toBe("100000 100000\n");
      // Its vsock is reached from outside of the jail.
      await using _agent = await harness.provider().connect(machine, AGENT_PORT, NEVER);
      await harness.crash(machine);
      await jailed.exited(machine, NEVER);
      await jailed.stop(machine, 0, NEVER);
      for (const program of await readdir(jails)) {
        if (program !== "uids") expect(await readdir(join(jails, program))).toEqual([]);
      }
      await expect(access(cgroup)).rejects.toThrow("ENOENT");
      await run("ip", ["link", "show", "dev", tap]);
    });
  });
}

/** A shell that knows nothing of us. */
const strangersInitrd = async ({ kernelPath }: GuestFiles): Promise<Uint8Array> => {
  const busybox = await readFile(join(kernelPath, "../../../root/bin/busybox"));
  const script = "#!/bin/sh\necho a stranger is up\nwhile :; do /bin/busybox sleep 1; done\n";
  return cpio([
    { name: "bin", mode: 0o040755, data: new Uint8Array() },
    { name: "bin/busybox", mode: 0o100755, data: busybox },
    { name: "bin/sh", mode: 0o120777, data: Buffer.from("busybox") },
    { name: "init", mode: 0o100755, data: Buffer.from(script) },
  ]);
};

const readUntil = async (stream: ByteStream, text: string): Promise<string> => {
  let all = "";
  for await (const chunk of stream.bytes) {
    all += Buffer.from(chunk).toString("latin1");
    if (all.includes(text)) break;
  }
  return all;
};

const firstLine = (socketPath: string, words: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(socketPath, () => socket.write(words));
    socket.once("error", reject);
    socket.once("data", (chunk) => {
      resolve(chunk.toString("latin1").split("\n")[0] ?? "");
      socket.destroy();
    });
  });

const numberOf = (metrics: readonly MachineMetric[], group: string, key: string): number =>
  metrics.find((it) => it.group === group && it.key === key)?.value ?? Number.NaN;
