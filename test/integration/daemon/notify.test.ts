/** What systemd would hear from flintlockd, on a real datagram socket. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { ROOT } from "../../support/daemon.ts";
import { startProcess } from "../../support/daemon-process.ts";

interface Message {
  readonly lines: readonly string[];
  readonly pid: number;
}

const missing = ["python3", "systemd-notify"].find((name) => spawnSync(name, ["--version"]).status !== 0);
if (missing !== undefined) console.warn(`skipped: ${missing} is not there`);

const listen = async (path: string) => {
  const child = spawn("python3", [join(ROOT, "test/support/notify-listener.py"), path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const messages: Message[] = [];
  const lines = createInterface({ input: child.stdout });
  await once(lines, "line");
  lines.on("line", (line) => {
    const message: Message = JSON.parse(line);
    if (message.lines[0] !== "BARRIER=1") messages.push(message);
  });
  const heard = async (line: string, count = 1): Promise<Message> => {
    for (let i = 0; i < 500; i++) {
      const found = messages.filter(({ lines }) => lines.includes(line));
      const last = found.at(-1);
      if (found.length >= count && last !== undefined) return last;
      await sleep(20);
    }
    throw new Error(`${line} is not heard: ${JSON.stringify(messages)}`);
  };
  const close = async (): Promise<void> => {
    child.kill();
    await once(child, "close");
  };
  return { messages, heard, [Symbol.asyncDispose]: close };
};

test.skipIf(missing !== undefined)(
  "systemd hears that it is ready, that it lives, and that it stops",
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "flintlock-notify-"));
    const socket = join(directory, "notify");
    {
      await using manager = await listen(socket);
      const env = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "900000" };
      await using daemon = await startProcess({ env });
      const ready = await manager.heard("READY=1");
      expect(ready.lines).toContain(`STATUS=serves on ${daemon.socket}`);
      // As root systemd-notify speaks in our name, and NotifyAccess=main would do; else in its own.
      if (process.geteuid?.() === 0) expect(ready.pid).toBe(daemon.pid);
      await manager.heard("WATCHDOG=1", 3);

      // One that is stuck is not heard of any more.
      daemon.child.kill("SIGSTOP");
      await sleep(500);
      const before = manager.messages.length;
      await sleep(1000);
      expect(manager.messages.length).toBe(before);
      daemon.child.kill("SIGCONT");
      await manager.heard("WATCHDOG=1", 4);

      daemon.child.kill("SIGTERM");
      await manager.heard("STOPPING=1");
      expect(await daemon.exit).toBe(0);
    }
    await rm(directory, { recursive: true });
  },
);

test("without systemd nothing is told, and nothing is missed", async () => {
  await using daemon = await startProcess({ env: { NOTIFY_SOCKET: undefined, WATCHDOG_USEC: "900000" } });
  await daemon.says("flintlockd serves");
  daemon.child.kill("SIGTERM");
  expect(await daemon.exit).toBe(0);
  expect(daemon.stderr()).not.toContain("systemd");
});

test.skipIf(missing !== undefined)(
  "a socket that nobody listens at is a line in the log, not an end",
  async () => {
    await using daemon = await startProcess({ env: { NOTIFY_SOCKET: "/nowhere/notify" } });
    await daemon.says("flintlockd serves");
    expect(daemon.stderr()).toContain("systemd could not be told");
    daemon.child.kill("SIGTERM");
    expect(await daemon.exit).toBe(0);
  },
);
