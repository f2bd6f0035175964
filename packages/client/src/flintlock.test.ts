import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { connect, type Flintlock } from "./flintlock.ts";
import { type FakeDaemon, startFakeDaemon } from "./testing/fake-daemon.ts";

let daemon: FakeDaemon;
let flintlock: Flintlock;

beforeEach(async () => {
  daemon = await startFakeDaemon();
  flintlock = connect({ address: daemon.address });
});
afterEach(async () => {
  flintlock.close();
  await daemon[Symbol.asyncDispose]();
});

describe("run", () => {
  test("gives a microVM that runs, and its block's end deletes it", async () => {
    {
      await using vm = await flintlock.run({ image: "alpine:3", name: "web", vcpu: 2 });
      expect(vm).toMatchObject({ name: "web", namespace: "default", state: "running", vcpu: 2 });
      expect(daemon.log.slice(0, 2)).toEqual(["pull alpine:3", "create web"]);
    }
    expect(daemon.log.at(-1)).toBe("delete web");
    expect(await flintlock.microvms.list()).toEqual([]);
  });

  test("what is kept, deleted before, or was there before, is left alone at the end", async () => {
    {
      await using kept = (await flintlock.run({ name: "kept" })).keep();
      await using gone = await flintlock.run({ name: "gone" });
      await using made = await flintlock.microvms.create({ name: "made" });
      await using found = await flintlock.microvms.get("kept");
      expect([kept.name, made.state, found.name]).toEqual(["kept", "pending", "kept"]);
      await gone.delete();
      await gone.delete();
    }
    expect((await flintlock.microvms.list()).map(({ name }) => name)).toEqual(["kept", "made"]);
    expect(daemon.log.filter((line) => line.startsWith("delete"))).toEqual(["delete gone"]);
  });

  test("that fails says at what step and why, with the console's last lines, and leaves nothing", async () => {
    await expect(flintlock.run({ image: "broken", name: "web" })).rejects.toMatchObject({
      name: "ClientError",
      code: "provider_failed",
      message: "microVM web failed at step start: no such device",
      step: "start",
      why: "kernel: hello\nkernel: panic",
      detail: { name: "web", state: "failed" },
    });
    expect(daemon.vms.size).toBe(0);
  });

  test("of an image whose registry is away is told at once: the daemon has answered", async () => {
    const refused = { code: "unavailable", message: "registry far-away cannot be reached", retriable: true };
    await expect(flintlock.run({ image: "far-away/x" })).rejects.toMatchObject(refused);
    expect(daemon.log).toEqual(["pull far-away/x"]);
  });

  test("that is aborted leaves nothing either", async () => {
    const signal = AbortSignal.timeout(200);
    await expect(flintlock.run({ image: "slow", signal })).rejects.toMatchObject({
      code: "deadline_exceeded",
    });
    expect(daemon.log.some((line) => line.startsWith("create"))).toBe(true);
    expect(daemon.vms.size).toBe(0);
    await expect(flintlock.run({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "canceled" });
    expect(daemon.vms.size).toBe(0);
  });

  test("an idle guest waits for who attaches, one with a command does not", async () => {
    const idle = await flintlock.run();
    const busy = await flintlock.run({ command: ["httpd"] });
    const own = await flintlock.run({ attach: false });
    expect([idle, busy, own].map(({ message }) => message.process?.attach)).toEqual([true, false, false]);
  });

  test("a misspelt option is refused before anything happens", async () => {
    const misspelt = { image: "alpine:3", memmory: "1G" };
    await expect(flintlock.run(misspelt)).rejects.toMatchObject({ code: "invalid_spec", field: "memmory" });
    expect(daemon.log).toEqual([]);
    expect(() => connect({ adress: daemon.address } as object)).toThrow("adress: no such option");
  });
});

describe("a command in a guest", () => {
  test("gives output, exit code and the agent's own words", async () => {
    const vm = await flintlock.run();
    expect(await vm.exec(["err"])).toEqual({ stdout: "", stderr: "oops\n", exitCode: 1 });
    expect(await vm.exec(["refused"])).toMatchObject({ stderr: "no such user\n", exitCode: 126 });
    const options = { stdin: ["a", Buffer.from("b")], env: { K: "v" }, cwd: "/tmp", user: "www" };
    expect(await vm.exec(["cat", "3"], options)).toEqual({ stdout: "ab", stderr: "", exitCode: 3 });
    expect(daemon.log).toContain("exec cat 3 K=v /tmp www stdin");
    await expect(vm.exec(["hang-up"])).rejects.toMatchObject({ code: "unavailable" });
    await expect(vm.exec(["cat"], { stdn: "" } as object)).rejects.toMatchObject({ field: "stdn" });
  });

  test("bytes stay bytes, whatever they are, and more than is wanted is refused", async () => {
    const vm = await flintlock.run();
    const stdin = Buffer.from(Uint8Array.from({ length: 100_000 }, (_, index) => index % 256));
    const { stdout } = await vm.exec(["cat"], { stdin, encoding: "bytes" });
    expect(Buffer.from(stdout).equals(stdin)).toBe(true);
    const flood = vm.exec(["flood", String(8 * 1024 * 1024)], { maxOutputBytes: 1024 * 1024 });
    await expect(flood).rejects.toMatchObject({ code: "exhausted", field: "maxOutputBytes" });
    await expect.poll(() => daemon.log.at(-1)).toBe("exec cancelled");
  });

  test("is ended by a signal, or by its time limit", async () => {
    const vm = await flintlock.run();
    const late = vm.exec(["trap"], { timeoutMs: 100 });
    await expect(late).rejects.toMatchObject({ code: "deadline_exceeded" });
    await expect.poll(() => daemon.log.at(-1)).toBe("exec cancelled");
    const controller = new AbortController();
    const process = await vm.spawn(["trap"], { signal: controller.signal });
    controller.abort();
    await expect(process.exitCode).rejects.toMatchObject({ code: "canceled" });
    const other = await vm.spawn(["trap"]);
    await other.kill("SIGTERM");
    expect(await other.exitCode).toBe(40);
  });

  test("a failing source of its input is told, and an endless one is not waited for", async () => {
    const vm = await flintlock.run();
    const failing = async function* () {
      yield "some";
      throw new Error("the disk broke");
    };
    await expect(vm.exec(["cat"], { stdin: failing() })).rejects.toThrow("the disk broke");
    const endless = async function* () {
      for (;;) {
        yield "y\n";
        await sleep(1);
      }
    };
    expect((await vm.exec(["exit", "4"], { stdin: endless() })).exitCode).toBe(4);
  });

  test("a slow reader slows it down, and loses nothing", async () => {
    const total = 64 * 1024 * 1024;
    const vm = await flintlock.run();
    await using process = await vm.spawn(["flood", String(total)]);
    process.stdin.end();
    await sleep(300);
    expect(daemon.flooded()).toBeLessThan(16 * 1024 * 1024);
    let received = 0;
    for await (const chunk of process.stdout) received += chunk.length;
    expect([received, await process.exitCode]).toEqual([total, 0]);
  });

  test("leaving its output ends it, and nothing is thrown where nobody listens", async () => {
    const vm = await flintlock.run();
    {
      await using process = await vm.spawn(["flood", String(64 * 1024 * 1024)]);
      for await (const _ of process.stdout) break;
    }
    await expect.poll(() => daemon.log.at(-1)).toBe("exec cancelled");
    await vm.spawn(["hang-up"]);
    await sleep(50);
  });
});

test("verbs wait until it is so, and say so when it comes to something else", async () => {
  const vm = await flintlock.run({ name: "web" });
  expect((await vm.stop({ graceSeconds: 5 })).state).toBe("stopped");
  expect((await vm.start()).state).toBe("running");
  expect((await vm.pause()).state).toBe("paused");
  expect((await vm.resume()).state).toBe("running");
  expect((await vm.restart()).state).toBe("running");
  expect((await vm.kill()).state).toBe("stopped");
  const verbs = ["stop 5 web", "start web", "pause web", "resume web", "restart default web", "kill web"];
  expect(daemon.log.slice(-6)).toEqual(verbs);
  const broken = await flintlock.microvms.create({ image: "broken", name: "bad" });
  await expect(broken.start()).rejects.toMatchObject({ detail: { name: "bad", state: "failed" } });
  await expect(broken.wait("running")).rejects.toMatchObject({ detail: { state: "failed" } });
  const stuck = await flintlock.microvms.create({ image: "stuck" });
  expect((await stuck.stop({ wait: false })).state).toBe("pending");
  const waiting = stuck.wait("stopped", { signal: AbortSignal.timeout(50) });
  await expect(waiting).rejects.toMatchObject({ code: "deadline_exceeded" });
});

test("a daemon that is not there is told soon, and a closed connection at once", async () => {
  const lost = connect({ address: "unix:///nowhere/x.sock" });
  const began = Date.now();
  const error = await lost.microvms.list().catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: "unavailable",
    retriable: true,
    message: expect.stringContaining("no such socket"),
  });
  expect(Date.now() - began).toBeLessThan(3_000);
  lost.close();
  await expect(lost.microvms.list()).rejects.toMatchObject({ code: "canceled" });
});
