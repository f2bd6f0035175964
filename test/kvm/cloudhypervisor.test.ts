/** What Cloud Hypervisor does besides the contract, on each in FLINTLOCK_VMM_DIR, where a guest runs under KVM. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, open, readdir, readFile, readlink, realpath, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type ByteStream, type Machine, type Provider, silentLog } from "@flintlock/core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { BARE_ARGS, vmmMarker } from "../../packages/daemon/src/adapters/providers/cloudhypervisor/args.ts";
import { createSharedRoots } from "../../packages/daemon/src/adapters/providers/shared/shared-directories.ts";
import { createVirtiofs } from "../../packages/daemon/src/adapters/providers/shared/virtiofsd.ts";
import { serversOf } from "../../packages/daemon/src/adapters/providers/shared/virtiofsd-process.ts";
import { createVmmProcesses } from "../../packages/daemon/src/adapters/providers/shared/vmm-process.ts";
import {
  type CloudHypervisorHarness,
  createCloudHypervisorHarness,
} from "../integration/providers/cloudhypervisor-harness.ts";
import { type GuestFiles, unpackGuestFiles } from "../integration/providers/guest-files.ts";
import { VIRTIOFSDS } from "../integration/providers/virtiofsds.ts";
import { vmmBinaries } from "../integration/providers/vmm-binaries.ts";

const run = promisify(execFile);
const signal = new AbortController().signal;
const TIMEOUT_MS = 600_000;
const FOR_EVER = "while :; do sleep 1; done";

for (const { name, path, obstacle } of await vmmBinaries("cloud-hypervisor")) {
  const title = obstacle === undefined ? name : `${name}: ${obstacle}`;
  describe.skipIf(obstacle !== undefined)(title, { timeout: TIMEOUT_MS }, () => {
    let unpacked: string;
    let files: GuestFiles;
    let harness: CloudHypervisorHarness;
    let provider: ReturnType<CloudHypervisorHarness["provider"]>;
    beforeAll(async () => {
      unpacked = await mkdtemp(join(tmpdir(), "flintlock-guest-"));
      files = await unpackGuestFiles(unpacked);
    });
    afterAll(async () => await rm(unpacked, { recursive: true }));
    beforeEach(async () => {
      harness = await createCloudHypervisorHarness(files, path ?? name);
      provider = harness.provider();
    });
    afterEach(() => harness.close(), TIMEOUT_MS);

    const boot = async (machine: Machine, by: Provider = provider): Promise<number> => {
      await by.start(machine, signal);
      await by.awaitReady(machine, signal);
      const state = await by.observe(machine);
      return state.state === "running" ? state.pid : 0;
    };

    test("the console takes input from one client, and its log misses nothing while no daemon runs", async () => {
      const script = [
        "(n=0; while :; do n=$((n+1)); echo tick $n; sleep 1; done > /dev/console) &",
        'while read line < /dev/console; do echo "heard $line" > /dev/console; done',
      ].join("\n");
      const machine = await harness.machine({ script });
      await boot(machine);
      const console = await provider.console(machine, signal);
      await expect(provider.console(machine, signal)).rejects.toMatchObject({ code: "failed_precondition" });
      await console.write(Buffer.from("hello\n"));
      expect(await textUntil(console, "heard hello")).toContain("heard hello");
      await console[Symbol.asyncDispose]();
      await provider.close();
      await new Promise((resolve) => setTimeout(resolve, 10_000));
      const heir = harness.provider();
      expect((await heir.observe(machine)).state).toBe("running");
      const again = await heir.console(machine, signal);
      await again.write(Buffer.from("again\n"));
      await textUntil(again, "heard again");
      await again[Symbol.asyncDispose]();
      const log = await readFile(join(machine.directory, "console.log"), "utf8");
      expect(log).toMatch(/heard hello[\s\S]*heard again/);
      const ticks = [...log.matchAll(/tick (\d+)\r?\n/g)].map(([, n]) => Number(n));
      expect(ticks.length).toBeGreaterThan(3);
      expect(ticks).toEqual(ticks.map((_, index) => index + 1));
    });

    test("a guest that restarts has ended; a program of the host reaches its agent until then", async () => {
      const machine = await harness.machine({
        script: "while [ ! -e /tmp/go ]; do sleep 0.2; done; reboot -f",
        change: (it) => ({ ...it, hasAgentSocket: true }),
      });
      await boot(machine);
      const socket = await provider.agentSocket.open(machine, signal);
      expect(await provider.agentSocket.observe(machine)).toBe("open");
      expect(await askLine(socket, "CONNECT 1024\n")).toMatch(/^OK \d+\n/);
      const agent = await provider.connect(machine, 1024, signal);
      const request = Buffer.from(
        JSON.stringify({ version: 1, op: "exec", exec: { cmd: "touch", args: ["/tmp/go"] } }),
      );
      const frame = Buffer.alloc(5);
      frame.writeUInt8(1, 0);
      frame.writeUInt32BE(request.length, 1);
      await agent.write(Buffer.concat([frame, request]));
      await provider.exited(machine, signal);
      expect(await provider.observe(machine)).toMatchObject({
        state: "exited",
        wasReady: true,
        exit: { code: undefined, reason: "guest restarted" },
      });
    });

    test("a TAP and a MACVTAP lead to their guests; a descriptor is one VMM's only", async () => {
      await run("ip", ["link", "add", "flveth0", "type", "veth", "peer", "name", "flveth1"]);
      try {
        await run("ip", [
          "link",
          "add",
          "link",
          "flveth0",
          "name",
          "flmvt0",
          "type",
          "macvtap",
          "mode",
          "bridge",
        ]);
        for (const link of ["flveth0", "flveth1", "flmvt0"]) await run("ip", ["link", "set", link, "up"]);
        await run("ip", ["address", "add", "10.91.0.1/24", "dev", "flveth1"]);
        await run("ip", ["tuntap", "add", "fltap91", "mode", "tap"]);
        await run("ip", ["address", "add", "10.92.0.1/24", "dev", "fltap91"]);
        await run("ip", ["link", "set", "fltap91", "up"]);
        const mac = (await readFile("/sys/class/net/flmvt0/address", "utf8")).trim();
        const one = await harness.machine({
          script: FOR_EVER,
          change: withInterface(mac, "10.91.0.2", "flmvt0", "macvtap"),
        });
        const two = await harness.machine({
          script: FOR_EVER,
          change: withInterface("02:00:00:00:00:92", "10.92.0.2", "fltap91", "tap"),
        });
        const pids = [await boot(one), await boot(two)];
        for (const address of ["10.91.0.2", "10.92.0.2"]) await run("ping", ["-c", "1", "-W", "10", address]);
        const taps = await Promise.all(pids.map((pid) => opened(pid, /^\/dev\/tap\d+$/)));
        expect(taps.map(({ length }) => length)).toEqual([1, 0]);
        expect(await opened(process.pid, /^\/dev\/tap\d+$/)).toEqual([]);
        const metered = {
          ...two,
          volumeIds: ["root"],
          interfaces: [{ deviceId: "eth0", hostDevice: "fltap91" }],
        };
        const numbers = await provider.metrics(metered, "all", signal);
        const received = numbers.find(({ group, key }) => group === "net_eth0" && key === "rx_packets_count");
        expect(received?.value).toBeGreaterThan(0);
        await provider.stop(one, 60_000, signal);
        expect(await harness.provider().observe(one)).toMatchObject({ state: "exited" });
      } finally {
        await harness.close();
        for (const link of ["fltap91", "flveth0"])
          await run("ip", ["link", "delete", link]).catch(() => undefined);
      }
    });

    test("a VMM whose launch was cut off is begun anew, or ended", async () => {
      const machine = await harness.machine();
      const processes = createVmmProcesses();
      const bare = async (): Promise<number> => {
        await using events = await open(join(machine.directory, "events"), "a");
        const { pid } = await processes.spawn({
          binary: path ?? name,
          args: BARE_ARGS,
          argv0: vmmMarker(machine.uid),
          directory: machine.directory,
          descriptors: [events.fd],
        });
        return pid;
      };
      await bare();
      await provider.stop(machine, 60_000, signal);
      expect((await provider.observe(machine)).state).toBe("exited");
      const pid = await bare();
      await new Promise((resolve) => setTimeout(resolve, 3000));
      expect(await boot(machine)).not.toBe(pid);
    });

    test("a guest reads and writes a directory of the host, and not one that is read-only", async (context) => {
      const [program] = await VIRTIOFSDS();
      if (program === undefined || program.obstacle !== undefined || !program.isReadOnlyCapable) {
        context.skip(`no virtiofsd in Rust: ${program?.obstacle ?? "only the one in C"}`);
        return;
      }
      const root = await realpath(await mkdtemp(join(tmpdir(), "flintlock-shared-")));
      const sharer = harness.provider({
        virtiofs: createVirtiofs({
          binaries: [program.path],
          roots: createSharedRoots([root]),
          log: silentLog,
        }),
      });
      try {
        for (const each of ["one", "two"]) await mkdir(join(root, each));
        await writeFile(join(root, "one/from-host"), "hello\n");
        const script = [
          "cp /mnt/user/from-host /mnt/two/copy; mount -o remount,rw /mnt/user",
          "(echo bad > /mnt/user/from-host) 2> /mnt/two/refusal; echo done > /mnt/two/done",
          FOR_EVER,
        ].join("\n");
        const mounts = [
          { tag: "user", hostPath: join(root, "one"), isReadOnly: true },
          { tag: "two", hostPath: join(root, "two"), isReadOnly: false },
        ];
        const machine = await harness.machine({ script, change: withFilesystems(mounts) });
        await boot(machine, sharer);
        await expect
          .poll(() => readFile(join(root, "two/done"), "utf8").catch(() => ""), { timeout: 60_000 })
          .toBe("done\n");
        expect(await readFile(join(root, "two/copy"), "utf8")).toBe("hello\n");
        expect(await readFile(join(root, "two/refusal"), "utf8")).toMatch(/Read-only file system/);
        expect(await readFile(join(root, "one/from-host"), "utf8")).toBe("hello\n");
        await killServersOf(machine.uid);
        await sharer.exited(machine, signal);
        expect(await sharer.observe(machine)).toMatchObject({ exit: { reason: "virtiofsd ended" } });
        await sharer.stop(machine, 0, signal);
        expect(await serversOf(machine.uid)).toEqual([]);
      } finally {
        await harness.close();
        await rm(root, { recursive: true });
      }
    });
  });
}

const withInterface =
  (mac: string, address: string, device: string, kind: "tap" | "macvtap") =>
  (machine: Machine): Machine => ({
    ...machine,
    interfaces: [{ deviceId: "eth0", mac, hostDevice: { name: device, kind, mtu: 1400 } }],
    guest: machine.guest && {
      ...machine.guest,
      interfaces: [{ mac, name: "eth0", addresses: [`${address}/24`], gateway: undefined }],
    },
  });

const withFilesystems =
  (mounts: readonly { readonly tag: string; readonly hostPath: string; readonly isReadOnly: boolean }[]) =>
  (machine: Machine): Machine => ({
    ...machine,
    filesystems: mounts.map((each) => ({ ...each, volumeId: each.tag })),
    guest: machine.guest && {
      ...machine.guest,
      mounts: mounts.map(({ tag, isReadOnly }) => ({
        device: tag,
        path: `/mnt/${tag}`,
        fsType: "virtiofs",
        isReadOnly,
      })),
    },
  });

const textUntil = async (stream: ByteStream, wanted: string): Promise<string> => {
  let text = "";
  for await (const chunk of stream.bytes) {
    text += Buffer.from(chunk).toString();
    if (text.includes(wanted)) return text;
  }
  throw new Error(`the console ended with ${JSON.stringify(text)}`);
};

const askLine = (path: string, line: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(line));
    socket.once("error", reject);
    socket.once("data", (answer) => {
      socket.destroy();
      resolve(String(answer));
    });
  });

const opened = async (pid: number, pattern: RegExp): Promise<readonly string[]> => {
  const names = await readdir(`/proc/${pid}/fd`);
  const targets = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => "")));
  return [...new Set(targets.filter((target) => pattern.test(target)))];
};

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
