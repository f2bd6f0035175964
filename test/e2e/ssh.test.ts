/** `flintlock ssh`: OpenSSH to a real SSH server in a guest that has no network. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CLI, type Result, runProgram, TestDaemon } from "../support/daemon.ts";

const DROPBEAR = "/usr/sbin/dropbear";
const SOON = { timeout: 60_000, interval: 300 };

let daemon: TestDaemon;
let here: string;
let env: NodeJS.ProcessEnv;
beforeAll(async () => {
  here = await mkdtemp(join(tmpdir(), "flintlock-ssh-"));
  env = { HOME: here, XDG_STATE_HOME: join(here, "state") };
  await runProgram("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(here, "key")]);
  daemon = await TestDaemon.start();
  await startServer();
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(here, { recursive: true });
});

const flintlock = (args: readonly string[], stdin?: Buffer): Promise<Result> =>
  runProgram(process.execPath, [CLI, "-H", `unix://${daemon.socket}`, ...args], {
    env,
    ...(stdin && { stdin }),
  });
const ok = async (...args: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await flintlock(args);
  expect(code, stderr).toBe(0);
  return stdout;
};

/** Debian's dropbear and what it is linked with, in a guest that has nothing but busybox. */
const startServer = async (): Promise<void> => {
  expect(existsSync(DROPBEAR), "dropbear-bin: scripts/system-packages.sh --test").toBe(true);
  const { stdout } = await runProgram("ldd", [DROPBEAR]);
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = ""]) => path.slice(1));
  const archive = spawn("tar", ["-C", "/", "-chf", "-", DROPBEAR.slice(1), ...libraries], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await ok(
    "create",
    "--name",
    "server",
    "--memory",
    "128M",
    "flintlock.local/busybox:latest",
    "sleep",
    "100000",
  );
  const sent = await flintlock(["cp", "-", "server:/"], await buffer(archive.stdout));
  expect(sent.code, sent.stderr).toBe(0);
  await mkdir(join(here, ".ssh"), { mode: 0o700 });
  await writeFile(join(here, ".ssh/authorized_keys"), await readFile(join(here, "key.pub")), { mode: 0o600 });
  await ok("cp", join(here, ".ssh"), "server:/root/");
  const start = `mkdir -p /etc/dropbear && ${DROPBEAR} -R -E -p 127.0.0.1:22 2>/tmp/dropbear.log`;
  await ok("exec", "--no-stdin", "server", "--", "sh", "-c", start);
};

const ssh = (words: readonly string[], stdin?: Buffer) =>
  flintlock(["ssh", "-i", join(here, "key"), "--option", "LogLevel=ERROR", "server", "--", ...words], stdin);

test("a command has our streams, and its exit code is ours", async () => {
  await expect.poll(async () => (await ssh(["true"])).code, SOON).toBe(0);
  const bytes = Buffer.from([0, 255, 10, 13, 128]);
  expect(await ssh(["cat; echo oops >&2; exit 7"], Buffer.concat([bytes, Buffer.from("end")]))).toEqual({
    code: 7,
    stdout: Buffer.concat([bytes, Buffer.from("end")]).toString(),
    stderr: "oops\n",
  });
  expect(await ssh(["echo", "$HOME"])).toEqual({ code: 0, stdout: "/root\n", stderr: "" });
});

test("OpenSSH works with the configuration that --config prints", async () => {
  await writeFile(join(here, "config"), await ok("ssh", "--config", "server"));
  expect(await ok("ssh", "--config")).toBe(await readFile(join(here, "config"), "utf8"));
  const options = ["-F", join(here, "config"), "-i", join(here, "key")];
  const told = await runProgram("ssh", [...options, "flintlock-server", "uname", "-n"], { env });
  expect(told, told.stderr).toEqual({ code: 0, stdout: "server\n", stderr: "" });
});

test("a host key is kept for the uid, and another one is refused", async () => {
  const known = await readFile(join(here, "state/flintlock/ssh_known_hosts"), "utf8");
  expect(known).toMatch(/^flintlock-[0-9A-Z]{26} /i);
  const kill = "kill $(pidof dropbear); rm /etc/dropbear/*; ";
  const start = `${DROPBEAR} -R -E -p 127.0.0.1:22 2>/tmp/dropbear.log`;
  await ok("exec", "--no-stdin", "server", "--", "sh", "-c", kill + start);
  await expect
    .poll(async () => (await ssh(["true"])).stderr, SOON)
    .toContain("HOST IDENTIFICATION HAS CHANGED");
  expect((await ssh(["true"])).code).toBe(255);
});

test("what cannot be reached is told: no server, no microVM, no ssh", async () => {
  await ok(
    "create",
    "--name",
    "deaf",
    "--memory",
    "128M",
    "flintlock.local/busybox:latest",
    "sleep",
    "100000",
  );
  expect(await flintlock(["ssh", "deaf", "true"])).toMatchObject({
    code: 255,
    stderr: expect.stringContaining("Connection refused"),
  });
  expect(await flintlock(["ssh", "nobody"])).toMatchObject({
    code: 125,
    stderr: expect.stringContaining("not found"),
  });
  env = { ...env, PATH: here };
  expect(await flintlock(["ssh", "server"])).toMatchObject({
    code: 125,
    stderr: expect.stringContaining("there is no ssh here"),
  });
});
