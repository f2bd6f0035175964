/** The SDK at a daemon that goes away, and at a connection that breaks before the answer: nothing is done twice. */
import { createServer, connect as open, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type Flintlock } from "@flintlock/client";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type DaemonProcess, startProcess } from "../../support/daemon-process.ts";

/** Between client and daemon; cuts the connection where the next answer would come, once. */
interface Cutter extends AsyncDisposable {
  readonly address: string;
  cutNextAnswer(): void;
  readonly cuts: () => number;
}

const startCutter = async (path: string, to: string): Promise<Cutter> => {
  let isArmed = false;
  let cuts = 0;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = open(to);
    for (const [from, into] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("error", () => undefined);
      from.on("close", () => into.destroy());
      from.on("data", (bytes: Buffer) => {
        if (from === far && isArmed && hasHeaders(bytes)) {
          isArmed = false;
          cuts += 1;
          near.destroy();
        } else into.write(bytes);
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    address: `unix://${path}`,
    cutNextAnswer: () => {
      isArmed = true;
    },
    cuts: () => cuts,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

/** An HTTP/2 HEADERS frame: the daemon has carried the call out. Settings, acknowledgements and pings pass. */
const hasHeaders = (bytes: Buffer): boolean => {
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    if (bytes[at + 3] === 1) return true;
  }
  return false;
};

let daemon: DaemonProcess;
let cutter: Cutter;
let flintlock: Flintlock;

const start = async (directory?: string): Promise<DaemonProcess> => {
  const started = await startProcess(directory === undefined ? {} : { directory });
  await started.says("flintlockd serves");
  return started;
};

beforeEach(async () => {
  daemon = await start();
  cutter = await startCutter(join(daemon.directory, "cut.sock"), daemon.socket);
  flintlock = connect({ address: cutter.address });
});
afterEach(async () => {
  flintlock.close();
  await cutter[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});

const types = async (): Promise<readonly string[]> => {
  const seen: string[] = [];
  for await (const { type } of flintlock.events.watch({ since: "beginning", untilNow: true }))
    seen.push(type);
  return seen;
};

test("a create whose answer is lost makes one microVM", async () => {
  await flintlock.info();
  cutter.cutNextAnswer();
  const vm = await flintlock.microvms.create({ name: "web", image: "alpine:3" });
  expect(cutter.cuts()).toBe(1);
  expect((await flintlock.microvms.list()).map(({ uid }) => uid)).toEqual([vm.uid]);
  expect((await types()).filter((type) => type === "created")).toHaveLength(1);
  const again = flintlock.microvms.create({ name: "web2", image: "alpine:3", requestId: "mine" });
  const same = flintlock.microvms.create({ name: "web2", image: "alpine:3", requestId: "mine" });
  expect((await again).uid).toBe((await same).uid);
});

test("a stop and a delete whose answers are lost are done, and a run survives them too", async () => {
  const vm = await flintlock.run({ command: ["httpd"] });
  cutter.cutNextAnswer();
  expect((await vm.stop()).state).toBe("stopped");
  cutter.cutNextAnswer();
  await vm.delete();
  expect(cutter.cuts()).toBe(2);
  expect(await flintlock.microvms.list()).toEqual([]);
});

test("a restart or an update whose answer is lost is not sent again: it would be another", async () => {
  const vm = await flintlock.run({ command: ["httpd"] });
  cutter.cutNextAnswer();
  const unknown = { code: "unavailable", retriable: true };
  await expect(vm.restart()).rejects.toMatchObject(unknown);
  await vm.wait("running");
  cutter.cutNextAnswer();
  await expect(vm.update({ labels: { tier: "front" } })).rejects.toMatchObject(unknown);
  expect((await vm.refresh()).labels).toEqual({ tier: "front" });
  expect(cutter.cuts()).toBe(2);
  expect((await types()).filter((type) => type === "starting")).toHaveLength(1);
});

test("while the daemon is away calls wait for it, those that never left it included", async () => {
  const direct = connect({ address: `unix://${daemon.socket}` });
  const vm = await direct.run({ command: ["httpd"] });
  const { directory } = daemon;
  daemon.child.kill("SIGKILL");
  await daemon.exit;
  const waiting = [vm.refresh(), vm.restart(), direct.microvms.create({ name: "late", image: "alpine:3" })];
  await sleep(500);
  daemon = await start(directory);
  await Promise.all(waiting);
  expect((await direct.microvms.list()).map(({ name }) => name)).toEqual([vm.name, "late"]);
  expect((await types()).filter((type) => type === "starting")).toHaveLength(1);
  direct.close();
});

test("a wait goes on at the next daemon, whether the last one was killed or stopped", async () => {
  const direct = connect({ address: `unix://${daemon.socket}` });
  const vm = await direct.run({ command: ["httpd"] });
  const stopped = vm.wait("stopped");
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    const { directory } = daemon;
    daemon.child.kill(signal);
    await daemon.exit;
    daemon = await start(directory);
  }
  await (await direct.microvms.get(vm.uid)).stop();
  expect((await stopped).state).toBe("stopped");
  direct.close();
});

test("they do not wait for ever, nor longer than they may", async () => {
  const direct = connect({ address: `unix://${daemon.socket}`, timeouts: { callMs: 1_000 } });
  await direct.info();
  daemon.child.kill("SIGKILL");
  await daemon.exit;
  const began = Date.now();
  await expect(direct.microvms.list()).rejects.toMatchObject({ code: "unavailable" });
  expect(Date.now() - began).toBeLessThan(2_500);
  const aborted = direct.microvms.list({ signal: AbortSignal.timeout(100) });
  await expect(aborted).rejects.toMatchObject({ code: "deadline_exceeded" });
  const never = connect({ address: `unix://${daemon.socket}`, retry: { attempts: 1 } });
  await expect(never.info()).rejects.toMatchObject({ code: "unavailable" });
  direct.close();
  never.close();
});
