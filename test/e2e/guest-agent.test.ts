/** Commands and SSH in a real guest: upstream's services, the host's socket, and `flintlock exec`. */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "@flintlock/client";
import { Client, credentials, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestDaemon } from "../support/daemon.ts";
import { execLoad } from "../support/exec-load.ts";
import { execIn, execOverSocket, proxied, startExec } from "../support/guest-services.ts";

const KERNEL = { image: "flintlock.local/kernel:latest", filename: "boot/vmlinuz" };
const ROOT = { id: "root", source: { containerSource: "flintlock.local/busybox:latest" } };
const CREATED = 1;
const SOON = { timeout: 30_000, interval: 200 };

let daemon: TestDaemon;
let client: ReturnType<typeof createClient>;
let grpc: Client;
let uid: string;
beforeAll(async () => {
  daemon = await TestDaemon.start(["--enable-exec-api", "--enable-ssh-proxy-api"]);
  connect();
  uid = await create("agent", true);
});
afterAll(async () => {
  disconnect();
  await daemon[Symbol.asyncDispose]();
});

const connect = (): void => {
  client = createClient({ address: `unix://${daemon.socket}` });
  grpc = new Client(`unix:${daemon.socket}`, credentials.createInsecure());
};
const disconnect = (): void => {
  client.close();
  grpc.close();
};

const create = async (id: string, allowGuestAgent: boolean): Promise<string> => {
  const spec = { id, namespace: "ns", vcpu: 1, memoryInMb: 128, kernel: KERNEL, rootVolume: ROOT };
  const { microvm } = await client.v1alpha1.createMicroVM({ microvm: { ...spec, allowGuestAgent } });
  const made = microvm?.spec?.uid ?? "";
  for await (const vm of client.microvms.wait({ target: made, condition: "running" })) {
    if (vm.microvm?.status?.state === CREATED) return made;
  }
  return made;
};

const socketOf = async (target: string): Promise<string> =>
  (await client.v1alpha1.getMicroVM({ uid: target })).microvm?.status?.vsockPath ?? "";

const sh = async (script: string, input?: Buffer) =>
  await execIn(grpc, { uid, cmd: "sh", args: ["-c", script] }, input);

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

test("exit codes, stdout and stderr are the command's, and the call ends well", async () => {
  expect(await execIn(grpc, { uid, cmd: "true" })).toMatchObject({ code: 0, status: undefined });
  expect(await execIn(grpc, { uid, cmd: "false" })).toMatchObject({ code: 1, status: undefined });
  expect(await sh("kill -9 $$")).toMatchObject({ code: 137 });
  expect(await execIn(grpc, { uid, cmd: "/no/such" })).toMatchObject({ code: 127 });
  const both = await sh("echo out; echo err >&2; exit 3");
  expect(both).toMatchObject({ stderr: "err\n", code: 3 });
  expect(both.stdout.toString()).toBe("out\n");
});

test("environment, directory, user and shell are what was asked", async () => {
  const asked = { env: { GREETING: "good day" }, cwd: "/srv", user: "guest" };
  const args = ["-c", 'echo "$GREETING"; pwd; id -un'];
  const direct = await execIn(grpc, { uid, cmd: "sh", args, ...asked });
  expect(direct.stdout.toString()).toBe("good day\n/srv\nguest\n");
  const shell = await execIn(grpc, { uid, cmd: "echo a b", args: ["|", "wc", "-w"], shell: true });
  expect(shell.stdout.toString().trim()).toBe("2");
  const nobody = await execIn(grpc, { uid, cmd: "id", user: "nobody-here" });
  const told = expect.stringContaining("nobody-here");
  expect(nobody).toMatchObject({ code: 126, status: undefined, error: told });
});

test("flintlock shell is the user's login shell, at home, or /bin/sh where the image names none", async () => {
  const ask = { stdin: 'echo "$0 $SHELL"; pwd; exit 7\n' };
  const root = await daemon.flintlock(["shell", uid], ask);
  expect(root).toMatchObject({ code: 7, stdout: "/bin/sh /bin/sh\n/root\n" });
  await sh("printf '#!/bin/sh\\necho mine $1\\n' > /tmp/mine; chmod 755 /tmp/mine");
  await sh("echo 'own:x:1234:1234::/srv:/tmp/mine' >> /etc/passwd");
  const own = await daemon.flintlock(["shell", "-u", "own", uid], ask);
  expect(own).toMatchObject({ code: 0, stdout: "mine -l\n" });
  const unlisted = await daemon.flintlock(["shell", "-u", "4321", uid], ask);
  expect(unlisted).toMatchObject({ code: 7, stdout: "/bin/sh /bin/sh\n/\n" });
});

test("10 MB go in and come back as they were", async () => {
  const bytes = randomBytes(10_000_019);
  const { stdout, code } = await execIn(grpc, { uid, cmd: "cat" }, bytes);
  expect([code, stdout.length, sha256(stdout)]).toEqual([0, bytes.length, sha256(bytes)]);
});

test("64 commands at once are kept apart: each has its own bytes back, and its own exit code", async () => {
  const bytes = 1_000_003;
  const all = await execLoad(grpc, { uid, sessions: 64, bytes });
  expect(all).toEqual(Array.from({ length: 64 }, (_, code) => ({ bytes, isSame: true, code, problem: "" })));
});

test("a time limit ends the command by TERM, and one that ignores it by KILL", async () => {
  const start = { uid, cmd: "sleep", args: ["1000"], timeoutSeconds: 1 };
  expect(await execIn(grpc, start)).toMatchObject({ code: 143, status: undefined });
  const deaf = { uid, cmd: "sh", args: ["-c", "trap '' TERM; while :; do sleep 1; done"], timeoutSeconds: 1 };
  expect(await execIn(grpc, deaf)).toMatchObject({ code: 137, status: undefined });
});

test("a client that goes takes its command along", async () => {
  const { call } = startExec(grpc, { uid, cmd: "sh", args: ["-c", "exec sleep 54321"] });
  call.on("error", () => undefined);
  call.resume();
  const running = async () => (await sh("ps | grep -c '[s]leep 54321'")).stdout.toString().trim();
  await expect.poll(running, SOON).toBe("1");
  call.cancel();
  await expect.poll(running, SOON).toBe("0");
});

test("the SSH proxy carries bytes both ways to port 22, and says when nothing listens there", async () => {
  await expect(proxied(grpc, uid, Buffer.from("x"))).rejects.toMatchObject({
    code: status.UNAVAILABLE,
    details: expect.stringContaining("no SSH server in the guest"),
  });
  const server = startExec(grpc, { uid, cmd: "while :; do nc -l -p 22 -e /bin/cat; done", shell: true });
  server.call.on("error", () => undefined);
  server.call.resume();
  await expect.poll(async () => (await sh("netstat -tln")).stdout.toString(), SOON).toMatch(/:22 /);
  const bytes = randomBytes(1_000_003);
  const back = await proxied(grpc, uid, bytes);
  expect([back.length, sha256(back)]).toEqual([bytes.length, sha256(bytes)]);
  server.call.cancel();
});

test("the rules of upstream's services are not those of ours", async () => {
  const closed = await create("closed", false);
  const refused = await execIn(grpc, { uid: closed, cmd: "true" });
  expect([refused.status?.code, refused.status?.details]).toEqual([
    status.FAILED_PRECONDITION,
    "microvm was not created with guest agent access enabled",
  ]);
  expect(await socketOf(closed)).toBe("");
  const ours = await daemon.flintlock(["exec", closed, "--", "sh", "-c", "cat; echo oops >&2; exit 5"], {
    stdin: "hello",
  });
  expect(ours).toEqual({ code: 5, stdout: "hello", stderr: "oops\n" });
  const missing = await execIn(grpc, { uid: "01JD0000000000000000000009", cmd: "true" });
  expect(missing.status?.code).toBe(status.NOT_FOUND);
  await client.v1alpha1.deleteMicroVM({ uid: closed });
});

test("the host's socket speaks Firecracker's protocol, returns with the daemon, and goes with the VM", async () => {
  const path = await socketOf(uid);
  expect(path).toBe(join(daemon.stateDir, `vsock/${uid}.sock`));
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const bytes = randomBytes(500_000);
  const answer = await execOverSocket(path, ["cat"], bytes);
  expect([answer.code, sha256(answer.stdout)]).toEqual([0, sha256(bytes)]);
  expect(answer.ok).toMatch(/^OK \d+$/);

  // A daemon that died leaves a file that nobody answers at; the next one takes its place.
  await daemon.kill("SIGKILL");
  await expect(execOverSocket(path, ["true"])).rejects.toThrow();
  disconnect();
  await daemon.start();
  connect();
  const codeOfTrue = () =>
    execOverSocket(path, ["true"]).then(
      ({ code }) => code,
      () => undefined,
    );
  await expect.poll(codeOfTrue, SOON).toBe(0);
  expect(await socketOf(uid)).toBe(path);

  // One that stops leaves nothing.
  await daemon.kill("SIGTERM");
  expect(existsSync(path)).toBe(false);
  disconnect();
  await daemon.start();
  connect();
  await expect.poll(codeOfTrue, SOON).toBe(0);

  await client.v1alpha1.deleteMicroVM({ uid });
  await expect.poll(() => existsSync(path), { timeout: 60_000 }).toBe(false);
});
