import { setTimeout as sleep } from "node:timers/promises";
import { ext } from "@flintlock/api";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Client, createClient } from "./create-client.ts";
import { type FakeDaemon, startFakeDaemon } from "./testing/fake-daemon.ts";

let daemon: FakeDaemon;
let client: Client;

beforeEach(async () => {
  daemon = await startFakeDaemon();
  client = createClient({ address: daemon.address });
});
afterEach(async () => {
  client.close();
  await daemon[Symbol.asyncDispose]();
});

const running = async (command: readonly string[]): Promise<string> => {
  const vm = await client.microvms.create({ process: { command: [...command], attach: true } });
  const uid = vm.microvm?.spec?.uid ?? "";
  for await (const _ of client.microvms.wait({ target: uid, condition: "settled" }));
  return uid;
};

test("a unary call answers with a message", async () => {
  const vm = await client.microvms.create({ microvm: { id: "web", vcpu: 2 } });
  expect(vm.microvm?.spec).toMatchObject({ id: "web", vcpu: 2 });
  expect((await client.microvms.list({})).microvms).toHaveLength(1);
});

test("a failure carries the daemon's code and hint", async () => {
  const failing = client.microvms.create({ microvm: { vcpu: 65 } });
  await expect(failing).rejects.toMatchObject({
    name: "ClientError",
    code: "invalid_spec",
    message: "vcpu: must be 1 to 64",
    hint: "ask for less",
  });
});

test("a daemon that is not there is named in the error", async () => {
  const lost = createClient({ address: "unix:///nowhere/x.sock" });
  await expect(lost.host.info({})).rejects.toMatchObject({
    code: "unavailable",
    message: "cannot reach flintlockd at unix:///nowhere/x.sock: no such socket",
  });
  lost.close();
});

test("a service that the daemon lacks is unsupported", async () => {
  await expect(client.v1alpha1.listMicroVMs({})).rejects.toMatchObject({ code: "unsupported" });
});

test("an aborted call is canceled, and one past its time limit says so", async () => {
  const vm = await client.microvms.create({
    microvm: { rootVolume: { id: "root", source: { containerSource: "slow" } } },
  });
  const request = { target: vm.microvm?.spec?.uid ?? "", condition: "settled" };
  const follow = async (signal: AbortSignal) => {
    for await (const _ of client.microvms.wait(request, { signal }));
  };
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 30);
  await expect(follow(controller.signal)).rejects.toMatchObject({ code: "canceled" });
  const late = new AbortController();
  setTimeout(() => late.abort(new DOMException("late", "TimeoutError")), 30);
  await expect(follow(late.signal)).rejects.toMatchObject({ code: "deadline_exceeded" });
  await expect(follow(AbortSignal.abort())).rejects.toMatchObject({ code: "canceled" });
});

test("leaving a stream early ends it at the daemon", async () => {
  const target = await running(["flood", String(64 * 1024 * 1024)]);
  const call = client.microvms.attach();
  await call.write({ payload: { case: "start", value: { target } } });
  for await (const _ of call.responses) break;
  await expect.poll(() => daemon.log.at(-1)).toBe("attach cancelled");
});

test("a consumer that pauses stops the daemon from sending", async () => {
  const total = 64 * 1024 * 1024;
  const target = await running(["flood", String(total)]);
  const call = client.microvms.attach();
  await call.write({ payload: { case: "start", value: { target } } });
  let received = 0;
  let isFirst = true;
  for await (const { payload } of call.responses) {
    if (payload.case === "exitCode") expect(payload.value).toBe(0);
    if (payload.case !== "stdout") continue;
    received += payload.value.length;
    if (!isFirst) continue;
    isFirst = false;
    await sleep(300);
    expect(daemon.flooded()).toBeLessThan(16 * 1024 * 1024);
  }
  expect(received).toBe(total);
});

test("what is written comes back, in order and whole", async () => {
  const target = await running(["cat", "3"]);
  const call = client.microvms.attach();
  const sent = Array.from({ length: 300 }, (_, index) => Buffer.alloc(20_000, index));
  const send = async () => {
    await call.write({ payload: { case: "start", value: { target } } });
    for (const value of sent) await call.write({ payload: { case: "stdin", value } });
    await call.write({ payload: { case: "stdinEof", value: true } });
    call.end();
  };
  const sending = send();
  const received: Uint8Array[] = [];
  let code: number | undefined;
  for await (const { payload } of call.responses) {
    if (payload.case === "stdout") received.push(payload.value);
    if (payload.case === "exitCode") code = payload.value;
  }
  await sending;
  expect(code).toBe(3);
  expect(Buffer.concat(received).equals(Buffer.concat(sent))).toBe(true);
});

test("writing to a call that has ended neither throws nor hangs", async () => {
  const target = await running(["exit", "0"]);
  const call = client.microvms.attach();
  await call.write({ payload: { case: "start", value: { target } } });
  for await (const _ of call.responses);
  for (let index = 0; index < 100; index += 1) {
    await call.write({ payload: { case: "stdin", value: Buffer.alloc(60_000) } });
  }
  call.end();
  expect(daemon.vms.get(target)?.state).toBe(ext.State.EXITED);
});
