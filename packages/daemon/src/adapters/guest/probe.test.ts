import { AGENT_PORT, type ByteStream, type GuestCondition, SSH_PORT } from "@flintlock/core";
import { expect, test } from "vitest";
import {
  CONTROL,
  type ControlFrame,
  encodeControl,
  encodeJson,
  readControlFrames,
} from "./control-frames.ts";
import { addressesIn } from "./guest-addresses.ts";
import { guestProbe } from "./probe.ts";

const never = new AbortController().signal;
const OK = encodeJson(CONTROL.exit, { code: 0 });
const stdout = (text: string): Uint8Array => encodeControl(CONTROL.stdout, Buffer.from(text));

/** A guest whose agent answers a request with these bytes, one list for each stream; undefined: with silence. */
const guestOf = (...answers: readonly (readonly Uint8Array[] | undefined)[]) => {
  const queue = [...answers];
  const opened: { port: number; isClosed: boolean; sent: Uint8Array[] }[] = [];
  const open = async (port: number): Promise<ByteStream> => {
    const answer = queue.shift();
    const stream = { port, isClosed: false, sent: [] as Uint8Array[] };
    opened.push(stream);
    let close = (): void => undefined;
    const closed = new Promise<void>((resolve) => {
      close = resolve;
    });
    return {
      bytes: (async function* () {
        if (answer === undefined) await closed;
        yield* answer ?? [];
      })(),
      write: async (bytes) => void stream.sent.push(bytes),
      end: async () => undefined,
      [Symbol.asyncDispose]: async () => {
        stream.isClosed = true;
        close();
      },
    };
  };
  const ask = (condition: GuestCondition, signal = never) => guestProbe.ask(condition, open, signal);
  const requests = async (): Promise<string[]> => {
    const frames: ControlFrame[] = [];
    for (const { sent } of opened) {
      for await (const frame of readControlFrames(
        (async function* () {
          yield* sent;
        })(),
      ))
        frames.push(frame);
    }
    return frames.map(({ payload }) => Buffer.from(payload).toString());
  };
  return { ask, opened, requests };
};

test("the agent is pinged", async () => {
  const guest = guestOf([OK]);
  expect(await guest.ask({ kind: "agent" })).toMatchObject({ isMet: true });
  expect(await guest.requests()).toEqual(['{"version":1,"op":"ping"}']);
  expect(guest.opened).toMatchObject([{ port: AGENT_PORT, isClosed: true }]);
});

test("the SSH server is one that greets, after other lines if it likes", async () => {
  const ask = (...lines: string[]) =>
    guestOf(lines.map((line) => Buffer.from(line))).ask({ kind: "ssh" }, never);
  const greeted = guestOf([Buffer.from("hello\r\nSSH-2.0-Open"), Buffer.from("SSH_9.2\r\n")]);
  expect(await greeted.ask({ kind: "ssh" })).toEqual({ isMet: true, seen: "SSH-2.0-OpenSSH_9.2" });
  expect(greeted.opened).toMatchObject([{ port: SSH_PORT, isClosed: true }]);
  expect(await ask()).toMatchObject({ isMet: false, seen: "nobody greets on port 22" });
  expect(await ask("SSH-2.0")).toMatchObject({ isMet: false });
  expect(await ask("x".repeat(100_000))).toMatchObject({
    isMet: false,
    seen: expect.stringContaining("not SSH"),
  });
});

test("a port takes connections, or the guest says why not", async () => {
  const open = guestOf([encodeControl(CONTROL.connected)]);
  expect(await open.ask({ kind: "tcp", port: 80 })).toMatchObject({ isMet: true });
  expect(await open.requests()).toEqual(['{"version":1,"op":"forward","forward":{"port":80}}']);
  expect(open.opened).toMatchObject([{ isClosed: true }]);
  const closed = guestOf([encodeJson(CONTROL.error, { msg: "forward: port 80: Connection refused" })]);
  await expect(closed.ask({ kind: "tcp", port: 80 })).rejects.toThrow("port 80: Connection refused");
});

test("where the agent cannot forward, the guest's kernel says who listens", async () => {
  const line = (port: string, state: string): string =>
    `   0: 0100007F:${port} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 1\n`;
  const unknown = [encodeJson(CONTROL.error, { msg: 'unknown op "forward"' })];
  const ask = (...tables: string[]) =>
    guestOf(unknown, [stdout(tables.join("")), OK]).ask({ kind: "tcp", port: 8080 });
  expect(await ask(line("0016", "0A"), line("1F90", "0A"))).toMatchObject({ isMet: true });
  expect(await ask(line("0016", "0A"), line("1F90", "01"))).toMatchObject({ isMet: false });
  expect(await ask()).toMatchObject({ isMet: false, seen: "nobody listens" });
});

test("a command is met by 0 alone, and its last words are told on one line", async () => {
  const command = { kind: "exec", command: "curl -f localhost" } as const;
  const good = guestOf([stdout("a\nb\n"), OK]);
  expect(await good.ask(command)).toEqual({ isMet: true, seen: "b" });
  expect(JSON.parse((await good.requests())[0] ?? "")).toMatchObject({
    op: "exec",
    exec: { cmd: "curl -f localhost", shell: true, timeout_sec: 10 },
  });
  const stderr = encodeControl(CONTROL.stderr, Buffer.from("one\n\u001b[31mrefused\n"));
  const bad = guestOf([stdout("out"), stderr, encodeJson(CONTROL.exit, { code: 7 })]);
  expect(await bad.ask(command)).toEqual({ isMet: false, seen: "exit code 7:  [31mrefused" });
});

test("of a long output the beginning is kept, and one without end is left", async () => {
  const lines = (count: number) => Array.from({ length: count }, () => stdout("x".repeat(32 * 1024)));
  const long = guestOf([...lines(30), OK]);
  const { isMet, seen } = await long.ask({ kind: "exec", command: "yes" });
  expect([isMet, seen.length]).toEqual([true, 300]);
  const endless = guestOf(lines(1000));
  await expect(endless.ask({ kind: "exec", command: "yes" })).rejects.toThrow("more than 1 MiB");
  expect(endless.opened).toMatchObject([{ isClosed: true }]);
});

const cloudInit = (text: string, code = 0) =>
  guestOf([stdout(text), encodeJson(CONTROL.exit, { code })]).ask({ kind: "cloud-init" });

test("cloud-init has ended when its result says so, and its errors make it hopeless", async () => {
  expect(await cloudInit('{"v1":{"datasource":"DataSourceNoCloud","errors":[]}}\n')).toEqual({
    isMet: true,
    seen: "DataSourceNoCloud",
  });
  expect(await cloudInit("finished\n")).toMatchObject({ isMet: true });
  expect(await cloudInit('{"v1":{"errors":["module a failed","b"]}}')).toMatchObject({
    isMet: false,
    hopeless: { code: "failed_precondition", message: "cloud-init finished with errors: module a failed; b" },
  });
  expect(await cloudInit("disabled\n")).toMatchObject({ isMet: false, hopeless: expect.anything() });
});

test.each([["running\n"], ["absent\n"], ["{"], ["[]"], ["{}"], ["null"], ['{"v1":{}}'], [""]])(
  "cloud-init that says %j has not ended",
  async (text) => {
    const answer = await cloudInit(text);
    expect([answer.isMet, answer.hopeless]).toEqual([false, undefined]);
  },
);

test("addresses are the host's own that others can reach", async () => {
  const trie = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.0.2.0/24 2 0 1
        |-- 10.0.2.0
           /24 link UNICAST
        |-- 10.0.2.15
           /32 host LOCAL
        |-- 10.0.2.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
     |-- 169.254.7.7
        /32 host LOCAL
`;
  const inet6 = `fe80000000000000505400fffe123456 02 40 20 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
20010db8000000000000000000000001 02 40 00 80     eth0
20010db8000000000000000000000002 02 40 00 40     eth0
`;
  expect(addressesIn(trie + inet6)).toEqual(["10.0.2.15", "2001:db8::1"]);
  expect(await guestOf([stdout(trie + trie), OK]).ask({ kind: "ip" })).toEqual({
    isMet: true,
    seen: "10.0.2.15",
  });
  const noCat = guestOf([encodeJson(CONTROL.error, { msg: "cat: not found" }), OK]);
  expect(await noCat.ask({ kind: "ip" })).toEqual({ isMet: false, seen: "cat: not found" });
});

test("a silent guest is left when the question is over", async () => {
  for (const kind of ["agent", "ssh", "cloud-init", "ip"] as const) {
    const guest = guestOf(undefined);
    const over = new AbortController();
    const asked = guest.ask({ kind }, over.signal);
    await new Promise((resolve) => setImmediate(resolve));
    over.abort(new Error("over"));
    if (kind === "ssh") expect(await asked).toMatchObject({ isMet: false });
    else await expect(asked).rejects.toThrow();
    expect(guest.opened).toMatchObject([{ isClosed: true }]);
  }
});
