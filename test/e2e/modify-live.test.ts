/** Changing a microVM while its guest runs: what it is given is there, in the guest or on the host, when it is answered. */

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Result, TestDaemon } from "../support/daemon.ts";

const MIB = 1024 ** 2;

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
});

const flintlock = async (...args: readonly string[]): Promise<Result> => await daemon.flintlock(args);
const ok = async (...args: readonly string[]): Promise<string> => {
  const result = await flintlock(...args);
  expect(result.code, result.stderr).toBe(0);
  return result.stdout;
};
const inGuest = (vm: string, script: string): Promise<string> => ok("exec", vm, "--", "sh", "-c", script);

const fileSystemMib = async (vm: string, path = "/"): Promise<number> =>
  Number(/(\d+)\s+\d+\s+\d+\s+\d+%/.exec(await inGuest(vm, `df -k ${path}`))?.[1]) / 1024;
const diskMib = async (vm: string, disk = "vda"): Promise<number> =>
  (Number(await inGuest(vm, `cat /sys/block/${disk}/size`)) * 512) / MIB;
/** A balloon that gives back what the guest runs out of leaves MemTotal as it was. */
const freeMib = async (vm: string): Promise<number> =>
  Number(/MemFree:\s+(\d+)/.exec(await inGuest(vm, "cat /proc/meminfo"))?.[1]) / 1024;

test("a disk grows under a guest that runs, keeps what is on it, and never shrinks", async () => {
  await ok("create", "-n", "disk", "-m", "96M", "-c", "1", "--disk", "64M", "--", "sleep", "100000");
  await inGuest("disk", "echo kept > /kept");
  expect(await ok("modify", "disk", "--disk", "256M", "--dry-run")).toBe("disk: disk_in_mb: at once\n");
  expect(await diskMib("disk")).toBe(64);
  expect(await ok("modify", "disk", "--disk", "256M")).toBe("disk: disk_in_mb: at once\n");
  expect(await diskMib("disk")).toBe(256);
  expect(await fileSystemMib("disk")).toBeGreaterThan(230);
  await inGuest("disk", "dd if=/dev/zero of=/large bs=1M count=128");

  const refused = await flintlock("modify", "disk", "--disk", "100M");
  expect([refused.code, refused.stderr]).toEqual([
    2,
    expect.stringContaining("100 MiB is less than the 256 MiB"),
  ]);
  await ok("stop", "disk");
  expect(await ok("modify", "disk", "--disk", "400M")).toBe("disk: disk_in_mb: at the next start\n");
  await ok("start", "disk");
  expect(await diskMib("disk")).toBe(400);
  expect(await fileSystemMib("disk")).toBeGreaterThan(360);
  expect(await inGuest("disk", "cat /kept; ls /large")).toBe("kept\n/large\n");
  await ok("rm", "disk");
});

test("a further volume grows by its id", async () => {
  const image = "flintlock.local/busybox:latest";
  await ok(
    "create",
    "-n",
    "two",
    "-m",
    "96M",
    "-c",
    "1",
    "--volume",
    `${image}:/data`,
    "--",
    "sleep",
    "100000",
  );
  expect(await fileSystemMib("two", "/data")).toBeLessThan(11_000);
  expect(await ok("modify", "two", "--disk", "volume1=12G")).toBe("two: volume_sizes: at once\n");
  expect(await diskMib("two", "vdb")).toBe(12 * 1024);
  expect(await fileSystemMib("two", "/data")).toBeGreaterThan(11_000);
  expect(await diskMib("two")).toBe(10 * 1024);
  await ok("rm", "two");
});

test("limits and the balloon are changed, and taken away, while the guest runs", async () => {
  await ok("create", "-n", "limited", "-m", "192M", "-c", "1", "--balloon", "0", "--", "sleep", "100000");
  const before = await freeMib("limited");
  expect(await ok("modify", "limited", "--disk-bps", "1M", "--balloon", "64M")).toBe(
    "limited: limits: at once\nlimited: balloon_mib: at once\n",
  );
  await expect.poll(() => freeMib("limited"), { timeout: 30_000 }).toBeLessThan(before - 50);
  const write = (): Promise<string> => inGuest("limited", "dd if=/dev/zero of=/f bs=1M count=4 conv=fsync");
  const slow = await timed(write);
  expect(await ok("modify", "limited", "--disk-bps", "0", "--balloon", "0")).toBe(
    "limited: limits: at once\nlimited: balloon_mib: at once\n",
  );
  const fast = await timed(write);
  expect(slow).toBeGreaterThan(2500);
  expect(fast).toBeLessThan(slow / 2);
  await expect.poll(() => freeMib("limited"), { timeout: 30_000 }).toBeGreaterThan(before - 30);
  await ok("rm", "limited");
});

test("ports are published and taken back while the guest runs, and by a daemon that did not start it", async () => {
  await ok("create", "-n", "web", "-m", "96M", "-c", "1", "--", "sleep", "100000");
  await inGuest("web", "mkdir /www; echo hello > /www/index.html; httpd -p 80 -h /www");
  await ok("modify", "web", "--publish", "80");
  const [first = 0] = await hostPorts("web");
  expect(await get(first)).toBe("hello\n");
  await daemon.kill("SIGKILL");
  await daemon.start();
  const second = await freePort();
  await ok("modify", "web", "--publish", `${second}:80`, "--unpublish", String(first));
  expect(await get(second)).toBe("hello\n");
  await expect(get(first)).rejects.toThrow();

  const taken = await flintlock("create", "-n", "other", "-p", `${second}:80`, "--", "sleep", "1");
  expect([taken.code, taken.stderr]).toEqual([
    5,
    expect.stringContaining("microvm default/web publishes it"),
  ]);
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const inUse = await flintlock("modify", "web", "--publish", `${port}:80`);
  server.close();
  expect([inUse.code, inUse.stderr]).toEqual([5, expect.stringContaining(`port ${port}`)]);
  expect(await hostPorts("web")).toEqual([second]);
  await ok("rm", "web");
});

test("a VMM that does not answer leaves the guest as it was, and says so; its next start has the change", async () => {
  await ok("create", "-n", "deaf", "-m", "96M", "-c", "1", "--disk", "64M", "--", "sleep", "100000");
  const [vm] = JSON.parse(await ok("inspect", "deaf", "-o", "json")) as [
    { microvm: { spec: { uid: string } } },
  ];
  const directory = join(daemon.stateDir, "vm/default/deaf", vm.microvm.spec.uid);
  const pid = Number(await readFile(join(directory, "vmm.pid"), "utf8"));
  process.kill(pid, "SIGSTOP");
  try {
    const { code, stdout, stderr } = await flintlock("modify", "deaf", "--disk", "128M");
    expect([code, stdout]).toEqual([0, "deaf: disk_in_mb: at the next start\n"]);
    expect(stderr).toContain("deaf: not at once: ");
  } finally {
    process.kill(pid, "SIGCONT");
  }
  expect(await ok("ls", "-q", "--state", "running")).toBe("deaf\n");
  expect(await diskMib("deaf")).toBe(64);
  expect(await ok("explain", "deaf")).toContain("flintlock restart deaf");
  await ok("restart", "deaf");
  expect(await diskMib("deaf")).toBe(128);
  expect(await fileSystemMib("deaf")).toBeGreaterThan(110);
  const [after] = JSON.parse(await ok("inspect", "deaf", "-o", "json")) as [{ failure?: unknown }];
  expect(after.failure).toBeUndefined();
  await ok("rm", "deaf");
});

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const before = performance.now();
  await work();
  return performance.now() - before;
};

const hostPorts = async (vm: string): Promise<readonly number[]> => {
  const [shown] = JSON.parse(await ok("inspect", vm, "-o", "json")) as [{ ports: { hostPort: number }[] }];
  return shown.ports.map(({ hostPort }) => hostPort);
};

const get = async (port: number): Promise<string> => await (await fetch(`http://127.0.0.1:${port}/`)).text();

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
};
