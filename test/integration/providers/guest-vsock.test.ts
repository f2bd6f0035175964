/**
 * The agent on AF_VSOCK, through the Unix socket of `vhost-device-vsock`, which speaks Firecracker's protocol and, as
 * Firecracker, takes a half close for a whole one. It needs no KVM; it is looked for in FLINTLOCK_VMM_DIR.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once, setMaxListeners } from "node:events";
import { access, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  AGENT_PORT,
  type ByteStream,
  type ExecOutput,
  type ExecRequest,
  type ProcessSession,
  SSH_PORT,
} from "@flintlock/core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  attach,
  exec,
  info,
  ping,
  poweroff,
  setClock,
} from "../../../packages/daemon/src/adapters/guest/agent.ts";
import { copyIn, copyOut } from "../../../packages/daemon/src/adapters/guest/copy.ts";
import { stats } from "../../../packages/daemon/src/adapters/guest/stats.ts";
import { openVsockStream } from "../../../packages/daemon/src/adapters/providers/shared/vsock-stream.ts";
import { type BareGuest, type BareGuestOptions, startBareGuest } from "./bare-guest.ts";
import { type GuestFiles, unpackGuestFiles } from "./guest-files.ts";

const PROGRAM = join(process.env["FLINTLOCK_VMM_DIR"] ?? "/nowhere", "vhost-device-vsock");
const isHere = await access(PROGRAM).then(
  () => true,
  () => false,
);
const why = isHere ? "" : " (no vhost-device-vsock in FLINTLOCK_VMM_DIR):";

const SOCKET = "v.sock";
const MEGABYTE = 1024 * 1024;
const signal = new AbortController().signal;
setMaxListeners(0, signal);

let root: string;
let files: GuestFiles;
let device: ChildProcess;
let guest: BareGuest;

/** The socket path of the device may not be longer than 107 bytes; the VM's directory is known only to us. */
const start = async ({ config, ...options }: Partial<BareGuestOptions>): Promise<void> => {
  guest = await startBareGuest({
    files,
    root,
    script: "",
    config: { agent: "vsock", ...config },
    ...options,
    args: [
      ...["-chardev", "socket,id=vsock,path=vhost.sock"],
      ...["-device", "vhost-user-vsock-pci,chardev=vsock"],
    ],
    prepare: async (directory) => {
      device = spawn(PROGRAM, ["--guest-cid", "3", "--socket", "vhost.sock", "--uds-path", SOCKET], {
        cwd: directory,
        stdio: ["ignore", "ignore", "inherit"],
      });
      await until(() => access(join(directory, "vhost.sock")));
    },
  });
  await guest.awaitStatus(({ isReady }) => isReady);
};

const stop = async (): Promise<void> => {
  await guest[Symbol.asyncDispose]();
  const isRunning = device.exitCode === null && device.signalCode === null;
  if (isRunning && device.kill("SIGKILL")) await once(device, "exit");
};

const until = async (works: () => Promise<unknown>): Promise<void> => {
  for (let left = 200; ; left--) {
    try {
      return void (await works());
    } catch (error) {
      if (left === 0) throw error;
      await sleep(50);
    }
  }
};

const open = (port: number = AGENT_PORT): Promise<ByteStream> =>
  openVsockStream({ directory: guest.directory, name: SOCKET, halfCloses: false }, port, signal);

const run = async (script: string, wanted: Partial<ExecRequest> = {}): Promise<ProcessSession<ExecOutput>> =>
  await exec(
    await open(),
    {
      cmd: script,
      args: [],
      cwd: undefined,
      env: {},
      isShell: true,
      user: undefined,
      timeoutSeconds: 0,
      hasStdin: false,
      terminal: undefined,
      ...wanted,
    },
    signal,
  );

const collect = async (
  session: ProcessSession<ExecOutput>,
): Promise<{ out: Buffer; code: number | undefined }> => {
  await using owned = session;
  const out: Uint8Array[] = [];
  let code: number | undefined;
  for await (const output of owned.output) {
    if (output.kind === "exit") code = output.code;
    else if (output.kind === "error") throw new Error(output.message);
    else out.push(output.bytes);
  }
  return { out: Buffer.concat(out), code };
};

const firstOf = async (session: ProcessSession<ExecOutput>): Promise<string> => {
  const { value } = await session.output[Symbol.asyncIterator]().next();
  return value?.kind === "stdout" ? String(Buffer.from(value.bytes)) : JSON.stringify(value);
};

const outputOf = async (script: string): Promise<string> => String((await collect(await run(script))).out);

beforeAll(async () => {
  if (!isHere) return;
  root = await mkdtemp(join(tmpdir(), "flintlock-vsock-"));
  files = await unpackGuestFiles(root);
});
afterAll(async () => {
  if (isHere) await rm(root, { recursive: true });
});

describe.skipIf(!isHere)(`a process that runs${why}`, () => {
  beforeAll(async () => await start({ script: "sleep 100000" }));
  afterAll(stop);

  test("the agent answers", async () => {
    await ping(await open());
    expect(JSON.parse(await info(await open()))).toMatchObject({
      uname: expect.stringContaining("Linux bare"),
    });
    await expect(open(1026)).rejects.toMatchObject({ code: "unavailable" });
  });

  test("megabytes both ways at once, unharmed", async () => {
    const sent = Buffer.alloc(8 * MEGABYTE);
    for (let i = 0; i < sent.length; i += 4) sent.writeUInt32LE(i, i);
    const session = await run("cat; exit 5", { hasStdin: true });
    const collected = collect(session);
    await session.stdin(sent);
    await session.endStdin();
    const { out, code } = await collected;
    expect(code).toBe(5);
    expect(out.equals(sent)).toBe(true);
  });

  test("files go in and come out as they were, one that nobody reads waits, and numbers are told", async () => {
    const wanted = { path: "/root/tree", followsLink: false, isHeaderOnly: false };
    await outputOf(
      "mkdir /root/tree /root/again; head -c 8000000 /dev/urandom > /root/tree/big; ln -s x /root/tree/l",
    );
    const archive: Uint8Array[] = [];
    for await (const bytes of copyOut(await open(), wanted, signal)) {
      if (archive.length === 0) await sleep(1000); // What the guest sends meanwhile has to wait on the way.
      archive.push(Buffer.from(bytes));
    }
    const pieces = async function* () {
      yield* archive;
    };
    await copyIn(await open(), { path: "/root/again", keepsOwners: false }, pieces(), signal);
    expect(await outputOf("cmp /root/tree/big /root/again/tree/big && readlink /root/again/tree/l")).toBe(
      "x\n",
    );
    archive.pop();
    const cut = copyIn(await open(), { path: "/root", keepsOwners: false }, pieces(), signal);
    await expect(cut).rejects.toMatchObject({ message: expect.stringContaining("the archive ends early") });
    await expect(
      copyIn(await open(), { path: "/none", keepsOwners: false }, pieces(), signal),
    ).rejects.toMatchObject({
      code: "not_found",
    });
    expect(await stats(await open(), signal)).toMatchObject({
      cpu: { count: 1 },
      processes: expect.any(Number),
    });
  });

  test("64 streams at once, and no more; others when they have gone", async () => {
    const sessions = await Promise.all(
      Array.from({ length: 64 }, async (_, index) => {
        const session = await run(`echo ${index}; cat; exit ${index}`, { hasStdin: true });
        expect(await firstOf(session)).toBe(`${index}\n`);
        return session;
      }),
    );
    await expect(collect(await run("true"))).rejects.toMatchObject({ code: "unavailable" });
    for (const session of sessions) await session.endStdin();
    for (const [index, session] of sessions.entries()) {
      expect(await collect(session)).toEqual({ out: Buffer.from(""), code: index });
    }
    expect(await outputOf("echo again")).toBe("again\n");
  });

  test("a client that does not read stops the command, and only it", async () => {
    const session = await run("while :; do i=$((i+1)); echo $i > /tmp/count; head -c 16384 /dev/zero; done");
    const count = async (): Promise<number> => Number(await outputOf("cat /tmp/count"));
    let last = 0;
    await until(async () => {
      const before = last;
      last = await count();
      await sleep(500);
      expect(last).toBe(before);
    });
    // Below the sum of the buffers on the way: socket, device, two kernels, agent and pipe.
    expect(last * 16384).toBeLessThan(2 * MEGABYTE);
    await session[Symbol.asyncDispose]();
  });

  test("a command whose client goes is asked to end", async () => {
    const session = await run(
      // The shell would say on its stderr, which nobody reads any more, that its sleep was ended: its own end.
      "exec 2>/dev/null; trap 'echo ended > /tmp/ended; exit' TERM; echo up; while :; do sleep 0.1; done",
    );
    expect(await firstOf(session)).toBe("up\n");
    await session[Symbol.asyncDispose]();
    await until(async () => expect(await outputOf("cat /tmp/ended 2>&1")).toBe("ended\n"));
  });

  test("port 1025 leads to the guest's SSH port, and ends when the server does", async () => {
    expect(await textOf(await open(SSH_PORT))).toBe("");
    const server = await run(`nc -l -p 22 -e /usr/bin/head -c ${MEGABYTE}`);
    await until(async () => expect(await outputOf("netstat -tln | grep -c :22")).toBe("1\n"));
    const stream = await open(SSH_PORT);
    const text = textOf(stream);
    const sent = Buffer.alloc(MEGABYTE, "ssh ");
    await stream.write(sent);
    expect((await text) === String(sent)).toBe(true);
    expect(await collect(server)).toMatchObject({ code: 0 });
  });

  test("the guest's clock is set, but not to nonsense", async () => {
    const then = Date.UTC(2031, 4, 6, 7, 8, 9);
    await setClock(await open(), then);
    expect(Number(await outputOf("date +%s")) - then / 1000).toBeOneOf([0, 1, 2, 3]);
    await setClock(await open(), Date.now());
    await expect(setClock(await open(), 1000)).rejects.toMatchObject({ code: "failed_precondition" });
    expect(Math.abs(Number(await outputOf("date +%s")) - Date.now() / 1000)).toBeLessThan(5);
  });

  test("the guest is asked to power off", async () => {
    await poweroff(await open());
    expect(await guest.awaitStatus(({ exitCode }) => exitCode !== undefined)).toMatchObject({
      exitCode: 143,
    });
    await guest.ended();
  });
});

describe.skipIf(!isHere)(`a process to attach to${why}`, () => {
  beforeAll(async () => await start({ script: "wc -c; exit 7", process: { attach: true } }));
  afterAll(stop);

  test("nothing is lost, and its exit is told before the guest ends", async () => {
    await using session = await attach(await open(), undefined, signal);
    const output: string[] = [];
    const reading = (async () => {
      for await (const each of session.output) {
        output.push(each.kind === "exit" ? `exit ${each.code}` : String(Buffer.from(each.bytes)));
      }
    })();
    await session.stdin(Buffer.alloc(MEGABYTE));
    await session.endStdin();
    await reading;
    expect(output).toEqual([`${MEGABYTE}\n`, "exit 7"]);
    await guest.ended();
  });
});

describe.skipIf(!isHere)(`an image's own init${why}`, () => {
  afterEach(stop);

  test.each([
    ["powers off where the kernel can", "reboot=t", "reboot: Power down"],
    ["restarts where only that ends the machine, as Firecracker's", "reboot=k", "reboot: Restarting system"],
  ])("%s", async (_, cmdline, last) => {
    const boot = { prefer: "init", init: "/sbin/init", process: undefined } as const;
    await start({ cmdline, config: { boot } });
    await poweroff(await open());
    await guest.ended();
    expect(await readFile(join(guest.directory, "console.log"), "utf8")).toContain(last);
  });
});

const textOf = async (stream: ByteStream): Promise<string> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream.bytes) chunks.push(chunk);
  return String(Buffer.concat(chunks));
};
