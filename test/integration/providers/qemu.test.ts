import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AGENT_PORT,
  type ExecOutput,
  type Machine,
  type ProcessSession,
  type Provider,
} from "@flintlock/core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { attach, exec, info, ping } from "../../../packages/daemon/src/adapters/guest/agent.ts";
import { type GuestFiles, unpackGuestFiles } from "./guest-files.ts";
import { createQemuHarness, type QemuHarness } from "./qemu-harness.ts";

const signal = new AbortController().signal;
let directory: string;
let files: GuestFiles;
let harness: QemuHarness;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "flintlock-guest-"));
  files = await unpackGuestFiles(directory);
});
afterAll(async () => await rm(directory, { recursive: true }));
beforeEach(async () => {
  harness = await createQemuHarness(files);
});
afterEach(async () => await harness.close());

/** Beyond any boot on a busy host */
const SLOW = 60_000;

const boot = async (provider: Provider, machine: Machine): Promise<void> => {
  await provider.start(machine, signal);
  await provider.awaitReady(machine, signal);
};

const attachTo = async (provider: Provider, machine: Machine): Promise<ProcessSession> =>
  await attach(await provider.connect(machine, AGENT_PORT, signal), undefined, signal);

interface Collected {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | undefined;
}

const collect = async (session: ProcessSession<ExecOutput>): Promise<Collected> => {
  const out = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  let code: number | undefined;
  for await (const output of session.output) {
    if (output.kind === "exit") code = output.code;
    else if (output.kind === "error") throw new Error(output.message);
    else out[output.kind].push(output.bytes);
  }
  return { stdout: Buffer.concat(out.stdout).toString(), stderr: Buffer.concat(out.stderr).toString(), code };
};

test("an attached process has its environment, stdin, stdout, stderr and exit code", async () => {
  const provider = harness.provider();
  const script = 'echo "$GREETING from $(hostname)"; echo oops >&2; wc -c; exit 3';
  const machine = await harness.machine({ script, process: { attach: true } });
  await boot(provider, machine);
  const session = await attachTo(provider, machine);
  const collected = collect(session);
  await session.stdin(Buffer.alloc(300_000, "x"));
  await session.endStdin();
  expect(await collected).toEqual({ stdout: "hello from test\n300000\n", stderr: "oops\n", code: 3 });
  await provider.exited(machine, signal);
  const exit = { code: 3, reason: "process exited with 3", at: expect.any(Number) };
  expect(await provider.observe(machine)).toEqual({ state: "exited", wasReady: true, exit });
});

test("a disk is no faster than its limit, and a balloon takes its part of the memory", async () => {
  const provider = harness.provider();
  const script = [
    "cut -d' ' -f1 /proc/uptime",
    "dd if=/dev/vda of=/dev/null bs=256k count=24 2>/dev/null",
    "cut -d' ' -f1 /proc/uptime",
    // The guest's driver fills it a little at a time, which an emulated one takes its time for.
    "sleep 3",
    "awk '/MemFree/ { print $2 }' /proc/meminfo",
  ].join("; ");
  const measured = async (change: Partial<Machine>): Promise<[number, number]> => {
    const machine = await harness.machine({
      script,
      process: { attach: true },
      change: (it) => ({ ...it, memoryMib: 256, ...change }),
    });
    await boot(provider, machine);
    const { stdout } = await collect(await attachTo(provider, machine));
    await provider.stop(machine, 0, signal);
    const [before, after, free] = stdout.split("\n").map(Number);
    return [Number(free), Number(after) - Number(before)];
  };
  const [freeAlone, secondsAlone] = await measured({});
  const [free, seconds] = await measured({
    balloonMib: 100,
    limits: { diskBytesPerSecond: 2 * 1024 ** 2 },
  });
  expect(freeAlone - free).toBeGreaterThan(80 * 1024);
  expect(secondsAlone).toBeLessThan(1.5);
  // 6 MiB, less what a full bucket lets through at once.
  expect(seconds).toBeGreaterThan(1.5);
});

test("a running guest: agent, console, published port, disks, and a clean second start", async () => {
  const port = await freePort();
  const provider = harness.provider();
  const script = `
    echo main-process-output
    while :; do nc -l -p 80 -e /bin/echo hello-from-guest; done`;
  const machine = await harness.machine({
    script,
    pathPrefix: "x".repeat(150),
    change: (it) => ({
      ...it,
      disks: [
        ...it.disks,
        {
          volumeId: "a-volume-with-a-very-long-name",
          path: files.baseDisk.path,
          format: "raw",
          isReadOnly: true,
        },
      ],
      ports: [{ hostIp: "127.0.0.1", hostPort: port, guestPort: 80, protocol: "tcp" }],
    }),
  });
  await boot(provider, machine);

  // Agent: several sessions at once over one channel, with more output than any window.
  const run = async (command: string): Promise<Collected> =>
    await collect(
      await exec(
        await provider.connect(machine, AGENT_PORT, signal),
        {
          cmd: "/bin/sh",
          args: ["-c", command],
          cwd: undefined,
          env: {},
          isShell: false,
          user: undefined,
          timeoutSeconds: 30,
          hasStdin: false,
          terminal: undefined,
        },
        signal,
      ),
    );
  await ping(await provider.connect(machine, AGENT_PORT, signal));
  expect(await info(await provider.connect(machine, AGENT_PORT, signal))).toContain("{");
  const [big, serials, write] = await Promise.all([
    run("head -c 1000000 /dev/zero | tr '\\0' y; exit 7"),
    run("cat /sys/block/vda/serial; echo; cat /sys/block/vdb/serial; echo; cat /sys/block/vdb/ro"),
    run("dd if=/dev/zero of=/dev/vdb bs=512 count=1"),
  ]);
  expect([big.stdout.length, big.code]).toEqual([1_000_000, 7]);
  expect(serials.stdout.split("\n").slice(0, 3)).toEqual([
    "root",
    expect.stringMatching(/^[0-9a-f]{20}$/),
    "1",
  ]);
  expect(write.code).not.toBe(0);

  // Port.
  await expect.poll(() => fetchLine(port), { timeout: 20_000, interval: 500 }).toContain("hello-from-guest");

  // Console: history in the file, one client at a time, kept in bounds while QEMU writes.
  const log = join(machine.directory, "console.log");
  expect(await readFile(log, "utf8")).toContain("main-process-output");
  const console = await provider.console(machine, signal);
  await expect(provider.console(machine, signal)).rejects.toMatchObject({ code: "failed_precondition" });
  await truncate(log, 0);
  await run("echo over-the-console > /dev/console");
  let seen = "";
  for await (const bytes of console.bytes) {
    seen += Buffer.from(bytes).toString();
    if (seen.includes("over-the-console")) break;
  }
  expect(await readFile(log, "utf8")).toMatch(/^over-the-console/);
  await console[Symbol.asyncDispose]();
  await expect
    .poll(() => provider.console(machine, signal).then((it) => it[Symbol.asyncDispose]()))
    .toBe(undefined);

  // A daemon that died between spawn and record.
  const before = await provider.observe(machine);
  await rm(join(machine.directory, "vmm.json"));
  const heir = harness.provider();
  await heir.start(machine, signal);
  expect(await heir.observe(machine)).toEqual(before);
});

test("a port that is taken is refused by its name, and one of another host as well", async () => {
  const port = await freePort();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  try {
    const publish = (hostIp: string) => (it: Machine) => ({
      ...it,
      ports: [{ hostIp, hostPort: port, guestPort: 80, protocol: "tcp" } as const],
    });
    const provider = harness.provider();
    const taken = await harness.machine({ change: publish("127.0.0.1") });
    await expect(provider.start(taken, signal)).rejects.toMatchObject({
      code: "failed_precondition",
      message: `port 127.0.0.1:${port}/tcp is in use`,
    });
    expect((await provider.observe(taken)).state).toBe("exited");
    const elsewhere = await harness.machine({ change: publish("192.0.2.1") });
    await expect(provider.start(elsewhere, signal)).rejects.toThrow("the address is none of this host");
  } finally {
    server.close();
  }
});

test("what QEMU says when it refuses is kept as cause", async () => {
  const machine = await harness.machine({ change: (it) => ({ ...it, kernelPath: "/nowhere/vmlinuz" }) });
  await expect(harness.provider().start(machine, signal)).rejects.toMatchObject({
    code: "provider_failed",
    cause: { message: expect.stringContaining("/nowhere/vmlinuz") },
  });
});

test("a guest that cannot mount its root fails the boot with its own words", async () => {
  const provider = harness.provider();
  const machine = await harness.machine({
    change: (it) => ({
      ...it,
      ...(it.guest && { guest: { ...it.guest, root: { ...it.guest.root, device: "LABEL=no-such" } } }),
    }),
  });
  await provider.start(machine, signal);
  await expect(provider.awaitReady(machine, signal)).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringMatching(/the guest did not boot: root: .*no-such/),
  });
  await provider.exited(machine, signal);
  expect(await provider.observe(machine)).toMatchObject({ state: "exited", wasReady: false });
});

test("a kernel without an init panics, and the boot fails with its last words", async () => {
  const empty = join(directory, "empty.img");
  await writeFile(empty, execFileSync("cpio", ["-o", "-H", "newc", "--quiet"], { input: "" }));
  const provider = harness.provider();
  const machine = await harness.machine({ change: (it) => ({ ...it, initrdPath: empty, disks: [] }) });
  await provider.start(machine, signal);
  const failure = await provider.awaitReady(machine, signal).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "provider_failed", message: "the guest did not boot: it ended" });
  expect(String((failure as Error).cause)).toContain("Kernel panic");
  expect(await provider.observe(machine)).toMatchObject({ state: "exited", wasReady: false });
});

test("a guest that does not come up in time meets the watchdog, and is left for the caller to end", async () => {
  const provider = harness.provider({ bootDeadlineMs: 300 });
  const machine = await harness.machine();
  await provider.start(machine, signal);
  await expect(provider.awaitReady(machine, signal)).rejects.toMatchObject({ code: "deadline_exceeded" });
  expect((await provider.observe(machine)).state).toBe("running");
  // It is not ready, so nobody is there to be asked: the grace is not waited for.
  const before = performance.now();
  await provider.stop(machine, 30_000, signal);
  expect(performance.now() - before).toBeLessThan(5000);
});

test("a process that is deaf to TERM costs the grace period and no more", async () => {
  const provider = harness.provider();
  const machine = await harness.machine({ script: "trap '' TERM; echo deaf; while :; do sleep 1; done" });
  await boot(provider, machine);
  await expect
    .poll(() => readFile(join(machine.directory, "console.log"), "utf8"), { timeout: SLOW })
    .toContain("deaf");
  const before = performance.now();
  await provider.stop(machine, 2500, signal);
  const elapsed = performance.now() - before;
  expect(elapsed).toBeGreaterThan(1900);
  expect(elapsed).toBeLessThan(5000);
  expect(await provider.observe(machine)).toMatchObject({
    state: "exited",
    exit: { reason: "ended by the host" },
  });
});

test("with a stranger's initrd the machine counts as ready once it runs, and gets the power button", async () => {
  const provider = harness.provider();
  const machine = await harness.machine({ change: (it) => ({ ...it, guest: undefined }) });
  await boot(provider, machine);
  expect(await provider.observe(machine)).toMatchObject({ state: "running", isReady: true });
  await provider.stop(machine, 1000, signal);
  expect(await provider.observe(machine)).toMatchObject({ state: "exited", wasReady: true });
});

test.each([
  ["microvm", 5, {}],
  ["q35, for want of a TSC rate,", 5, { tscKhz: undefined }],
  ["q35, for want of room on microvm,", 23, {}],
])("on %s the guest sees its disks in order", async (_, count, options) => {
  const provider = harness.provider(options);
  const base = { path: files.baseDisk.path, format: "raw", isReadOnly: true } as const;
  const machine = await harness.machine({
    script: 'for disk in /sys/block/vd*; do echo "$(basename $disk) $(cat $disk/serial)"; done',
    change: (it) => ({
      ...it,
      disks: [...it.disks, ...range(count - 1).map((n) => ({ ...base, volumeId: `data-${n + 1}` }))],
    }),
  });
  await boot(provider, machine);
  await provider.exited(machine, signal);
  expect(await provider.observe(machine)).toMatchObject({ state: "exited", exit: { code: 0 } });
  const console = await readFile(join(machine.directory, "console.log"), "utf8");
  const expected = range(count).map(
    (n) => `vd${String.fromCharCode(97 + n)} ${n === 0 ? "root" : `data-${n}`}`,
  );
  expect(console.match(/^vd.*(?=\r?$)/gm)).toEqual(expected);
});

test("the answer to which accelerator is remembered", async () => {
  const stateFile = join(directory, "accelerator.json");
  const report = await harness.provider({ stateFile }).accelerator(signal);
  expect(report.accelerator).toMatch(/^(kvm|tcg)$/);
  const { mtimeMs } = await stat(stateFile);
  expect(await harness.provider({ stateFile }).accelerator(signal)).toEqual(report);
  expect((await stat(stateFile)).mtimeMs).toBe(mtimeMs);
  const binary = "/nowhere/qemu-system-x86_64";
  await expect(harness.provider({ binary }).accelerator(signal)).rejects.toMatchObject({
    code: "unsupported",
  });
});

const range = (count: number): readonly number[] => [...new Array(count).keys()];

const freePort = async (): Promise<number> =>
  await new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });

const fetchLine = async (port: number): Promise<string> =>
  await new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.setTimeout(2000, () => socket.destroy());
    socket.on("data", (chunk) => {
      text += String(chunk);
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
  });
