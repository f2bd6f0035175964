import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type FakeDaemon, startFakeDaemon } from "../../client/src/testing/fake-daemon.ts";
import { runTestCli, startTestCli } from "./testing/run-test-cli.ts";
import { VERSION } from "./version-number.ts";

let daemon: FakeDaemon;

beforeEach(async () => {
  daemon = await startFakeDaemon();
});
afterEach(() => daemon[Symbol.asyncDispose]());

const flintlock = (...argv: readonly string[]) => runTestCli(argv, { address: daemon.address });

const create = async (name: string, ...flags: readonly string[]): Promise<string> =>
  (await flintlock("create", "--name", name, ...flags)).stdout.trim();

test("the version is the package's, and the daemon's is asked for", async () => {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  expect(VERSION).toBe(version);
  expect((await flintlock("version")).stdout).toBe("flintlock   0.1.0\nflintlockd  9.9.9 (qemu, tcg)\n");
  expect(JSON.parse((await flintlock("version", "-o", "json")).stdout)).toMatchObject({
    apiVersion: "flintlock/v1",
    kind: "Version",
    server: { version: "9.9.9" },
  });
});

test("a version without a daemon is still a version", async () => {
  const { code, stdout } = await runTestCli(["version"], { address: "unix:///nowhere/x.sock" });
  expect({ code, stdout }).toEqual({ code: 0, stdout: "flintlock   0.1.0\nflintlockd  not reachable\n" });
});

test("ls shows a table, or an array of objects with apiVersion and kind", async () => {
  const uid = await create("web", "-p", "8080:80", "-m", "2G", "-c", "4", "alpine:3");
  const { stdout } = await flintlock("ls");
  expect(stdout).toMatch(
    /^NAME {3}NAMESPACE {3}UID {10}STATE {5}IMAGE {6}CPUS {3}MEMORY {3}PORTS {20}AGE\nweb {4}default {5}01JD000000 {3}RUNNING {3}alpine:3 {6}4 {7}2G {3}127.0.0.1:8080->80\/tcp/,
  );
  expect(JSON.parse((await flintlock("ls", "-o", "json")).stdout)).toMatchObject([
    { apiVersion: "flintlock/v1", kind: "MicroVM", name: "web", uid, state: "RUNNING" },
  ]);
  expect((await flintlock("ls", "-q")).stdout).toBe("web\n");
  expect((await flintlock("-o", "name", "ps")).stdout).toBe("web\n");
  expect((await flintlock("ls", "-l", "tier=none", "-o", "json")).stdout).toBe("[]\n");
  expect((await flintlock("ls", "-q", "--state", "failed", "-s", "RUNNING")).stdout).toBe("web\n");
  expect((await flintlock("ls", "-q", "--state", "exited")).stdout).toBe("");
  expect((await flintlock("ls", "--state", "asleep")).code).toBe(2);
});

test("inspect gives an array, even of one, and 3 for none", async () => {
  const uid = await create("web");
  await create("db");
  expect(JSON.parse((await flintlock("inspect", "web")).stdout)).toMatchObject([{ kind: "MicroVM", uid }]);
  expect(JSON.parse((await flintlock("inspect", "web", "db")).stdout)).toHaveLength(2);
  expect((await flintlock("inspect", "web", "-o", "yaml")).stdout).toContain("kind: MicroVM\n  name: web\n");
  expect(await flintlock("inspect", "nope")).toEqual({
    code: 3,
    stdout: "",
    stderr: "error[not_found]: microVM nope not found\n",
  });
});

test("rm takes several targets and waits; some failing is 11, all missing 3", async () => {
  await create("web");
  await create("db");
  const { code, stdout, stderr } = await flintlock("rm", "web", "nope", "db");
  expect({ code, lines: stdout.trim().split("\n").sort() }).toEqual({ code: 11, lines: ["db", "web"] });
  expect(stderr).toBe("error[not_found]: microVM nope not found\n");
  expect(daemon.vms.size).toBe(0);
  expect((await flintlock("rm", "web", "db")).code).toBe(3);
  expect((await flintlock("rm", "--ignore-missing", "web")).code).toBe(0);
});

test("a bulk failure in JSON lists each target", async () => {
  await create("web");
  const { code, stdout } = await flintlock("rm", "web", "nope", "-o", "json");
  expect(code).toBe(11);
  expect(JSON.parse(stdout)).toMatchObject([
    { kind: "Result", target: "web", ok: true },
    { kind: "Result", target: "nope", ok: false, error: { code: "not_found" } },
  ]);
});

test("rm --all wants --yes, and then takes all", async () => {
  await create("web");
  expect((await flintlock("rm", "--all")).code).toBe(2);
  expect((await flintlock("rm")).code).toBe(2);
  expect(daemon.vms.size).toBe(1);
  expect(await flintlock("rm", "--all", "--yes")).toMatchObject({ code: 0, stdout: "web\n" });
});

test("wait prints the exit code, and gives up with 8", async () => {
  await create("web");
  await flintlock("run", "--name", "job", "--", "exit", "7");
  expect(await flintlock("wait", "job")).toMatchObject({ code: 0, stdout: "7\n" });
  expect(await flintlock("wait", "web", "--for", "running")).toMatchObject({ code: 0, stdout: "" });
  expect(await flintlock("wait", "web", "--timeout", "50ms")).toMatchObject({ code: 8 });
  expect((await flintlock("wait", "web", "--for", "godot")).code).toBe(2);
});

test("waiting for a microVM that failed ends with 5, not never", async () => {
  await flintlock("create", "--name", "web", "broken");
  expect(await flintlock("wait", "web")).toMatchObject({ code: 5 });
  expect(await flintlock("wait", "web", "--for", "running")).toMatchObject({ code: 5 });
});

test("logs are the guest's bytes", async () => {
  await create("web");
  expect((await flintlock("logs", "web")).stdout).toBe("kernel: hello\r\nkernel: panic\r\n");
});

test("doctor fails with 10, and a check's control characters stay off the terminal", async () => {
  const { code, stdout } = await flintlock("doctor");
  expect(code).toBe(10);
  expect(stdout).toContain("warn  kvm                   not usable\n      try: use TCG\n");
  expect(stdout).toContain("no\\x1b[31m answer (1.5s)\n");
  expect(JSON.parse((await flintlock("doctor", "-o", "json")).stdout)).toHaveLength(2);
});

test("images: list, pull, remove one in use", async () => {
  expect((await flintlock("image", "ls", "-o", "name")).stdout).toBe("alpine:3\n");
  expect(await flintlock("pull", "alpine:3")).toMatchObject({ code: 0, stdout: "alpine:3\n", stderr: "" });
  expect((await flintlock("image", "pull", "missing", "alpine:3")).code).toBe(11);
  expect(await flintlock("rmi", "alpine:3")).toMatchObject({
    code: 5,
    stderr: "error[failed_precondition]: alpine:3 is in use by default/web\n",
  });
});

test("image load sends a file, stdin, or a layout as tar", async () => {
  const directory = await mkdtemp(join(tmpdir(), "load-"));
  try {
    await writeFile(join(directory, "index.json"), "{}");
    await writeFile(join(directory, "big"), Buffer.alloc(1_000_000));
    expect(await flintlock("image", "load", join(directory, "big"))).toMatchObject({
      code: 0,
      stdout: "loaded:1\n",
    });
    expect(daemon.loaded()).toBe(1_000_000);
    await flintlock("image", "load", directory);
    expect(daemon.loaded()).toBe(1_000_000 + 512 + 1_000_448 + 1024 + 1024);
    await runTestCli(["image", "load", "-"], { address: daemon.address, input: "12345" });
    expect(daemon.loaded()).toBe(1_000_000 + 512 + 1_000_448 + 1024 + 1024 + 5);
    expect((await flintlock("image", "load", join(directory, "none"))).code).toBe(2);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("a daemon out of reach is 7, a wrong flag or command 2, help 0", async () => {
  const lost = await runTestCli(["ls"], { address: "unix:///nowhere/x.sock" });
  expect(lost.code).toBe(7);
  expect(lost.stderr).toMatch(
    /^error\[unavailable\]: cannot reach flintlockd at unix:\/\/\/nowhere.*\ntry: /,
  );
  expect((await flintlock("ls", "--bogus")).code).toBe(2);
  expect((await flintlock("bogus")).code).toBe(2);
  expect((await flintlock("ls", "-o", "csv")).code).toBe(2);
  expect((await flintlock("help", "run")).stdout).toContain("--publish");
  expect((await flintlock("--help")).code).toBe(0);
  expect((await flintlock()).code).toBe(2);
});

test("a spec file is hammertime's, upstream's or ours, and flags are laid over it", async () => {
  const directory = await mkdtemp(join(tmpdir(), "spec-"));
  try {
    const file = join(directory, "spec.json");
    const spec = {
      id: "mvm0",
      namespace: "ns0",
      vcpu: 2,
      memory_in_mb: 2048,
      kernel: {
        image: "kernel:1",
        filename: "boot/vmlinux",
        add_network_config: true,
        cmdline: { quiet: "" },
      },
      root_volume: { id: "root", is_read_only: false, source: { container_source: "os:1" } },
      interfaces: [{ device_id: "eth1", type: 1 }],
      labels: { a: "1" },
    };
    await writeFile(file, JSON.stringify({ microvm: spec, metadata: {} }));
    expect((await flintlock("create", "-f", file, "-c", "4", "-l", "b=2", "--cmdline", "debug=1")).code).toBe(
      0,
    );
    const [vm] = daemon.vms.values();
    expect(vm?.microvm?.spec).toMatchObject({
      id: "mvm0",
      namespace: "ns0",
      vcpu: 4,
      memoryInMb: 2048,
      labels: { a: "1", b: "2" },
      kernel: {
        image: "kernel:1",
        filename: "boot/vmlinux",
        addNetworkConfig: true,
        cmdline: { quiet: "", debug: "1" },
      },
      rootVolume: { source: { containerSource: "os:1" } },
      interfaces: [{ deviceId: "eth1", type: 1 }],
    });
    await writeFile(file, "id: yaml\nrootVolume: {id: root, source: {containerSource: os:2}}\n");
    expect((await flintlock("create", "-f", file)).code).toBe(0);
    await writeFile(file, "id: x\nvcpus: 3\n");
    const { code, stderr } = await flintlock("create", "-f", file);
    expect(code).toBe(2);
    expect(stderr).toContain('"vcpus" is unknown');
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("an interrupted command ends with 130", async () => {
  await create("web");
  const cli = startTestCli(["wait", "web"], { address: daemon.address });
  setTimeout(() => cli.kill("SIGINT"), 100);
  expect(await cli.code).toBe(130);
  expect(cli.stderr()).toBe("interrupted\n");
});

test.each(["bash", "zsh", "fish"])("completion for %s names commands and flags", async (shell) => {
  const { code, stdout } = await flintlock("completion", shell);
  expect(code).toBe(0);
  expect(stdout).toMatch(/image/);
  expect(stdout).toMatch(shell === "fish" ? /-l publish/ : /--publish/);
});
