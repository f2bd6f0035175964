import { ext, guestExec, sshProxy, wire } from "@flintlock/api";
import { type ServiceError, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  bidi,
  encodeMessage,
  message,
  unary,
} from "../../../packages/daemon/src/adapters/api/testing/grpc-client.ts";
import { type Fixture, startFixture, until } from "./fixture.ts";

const UID = "01JD0000000000000000000000";
const { execCommand } = guestExec.MicroVMExec.method;
const { sSHProxy } = sshProxy.MicroVMSSHProxy.method;

type Payload = readonly [kind: string | undefined, value: unknown];
interface Outcome {
  readonly payloads: readonly Payload[];
  readonly error: ServiceError | undefined;
}

type StartInit = Partial<Omit<guestExec.ExecStart, "$typeName" | "$unknown">>;

const start = (init: StartInit): guestExec.ExecCommandRequest["payload"] => ({
  case: "start",
  value: message(guestExec.ExecStartSchema, { uid: UID, cmd: "cat", hasStdin: true, ...init }),
});
const stdin = (text: string): guestExec.ExecCommandRequest["payload"] => ({
  case: "stdin",
  value: Buffer.from(text),
});
const textOf = (value: unknown): unknown =>
  value instanceof Uint8Array ? Buffer.from(value).toString() : value;

/** Everything until the call's end. */
const outcomeOf = <Reply>(
  call: Pick<NodeJS.EventEmitter, "on">,
  payloadOf: (reply: Reply) => Payload,
): Promise<Outcome> =>
  new Promise((resolve) => {
    const payloads: Payload[] = [];
    call.on("data", (reply: Reply) => payloads.push(payloadOf(reply)));
    call.on("end", () => resolve({ payloads, error: undefined }));
    call.on("error", (error: ServiceError) => resolve({ payloads, error }));
  });

/** Sends, half-closes unless told otherwise, and waits for the end. */
const exec = async (
  f: Fixture,
  sent: readonly guestExec.ExecCommandRequest["payload"][],
  halfCloses = true,
): Promise<Outcome> => {
  const call = bidi(f.grpc, execCommand);
  const outcome = outcomeOf(call, ({ payload }: guestExec.ExecCommandResponse) => [
    payload.case,
    textOf(payload.value),
  ]);
  for (const payload of sent) call.write(message(guestExec.ExecCommandRequestSchema, { payload }));
  if (halfCloses) call.end();
  return await outcome;
};

const proxy = async (f: Fixture, sent: readonly sshProxy.SSHProxyRequest["payload"][]): Promise<Outcome> => {
  const call = bidi(f.grpc, sSHProxy);
  const outcome = outcomeOf(call, ({ data }: sshProxy.SSHProxyResponse) => ["data", textOf(data)]);
  for (const payload of sent) call.write(message(sshProxy.SSHProxyRequestSchema, { payload }));
  call.end();
  return await outcome;
};

/** What reflection lists, as it is on the wire. */
const listed = (f: Fixture): Promise<string> =>
  new Promise((resolve, reject) => {
    const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    const asIs = (bytes: Buffer): Buffer => bytes;
    const call = f.grpc.makeBidiStreamRequest(path, asIs, asIs);
    call.on("data", (bytes: Buffer) => resolve(bytes.toString("latin1")));
    call.on("error", reject);
    // `list_services: "*"`
    call.end(Buffer.of(0x3a, 1, 0x2a));
  });

describe("the guest services, switched on", () => {
  let f: Fixture;
  beforeAll(async () => {
    f = await startFixture(2, {}, { hasExecApi: true, hasSshProxyApi: true });
  });
  afterAll(() => f[Symbol.asyncDispose]());

  test("exec carries the command, stdin and output, and the exit code ends it well", async () => {
    const asked = { args: ["-A"], cwd: "/srv", env: { A: "1" }, user: "www", timeoutSeconds: 9, shell: true };
    const outcome = await exec(f, [start(asked), stdin("hello")]);
    expect(outcome).toEqual({
      payloads: [
        ["stdout", "hello"],
        ["exitCode", 7],
      ],
      error: undefined,
    });
    expect(f.core.executed.at(-1)).toEqual({
      cmd: "cat",
      args: ["-A"],
      cwd: "/srv",
      env: { A: "1" },
      user: "www",
      timeoutSeconds: 9,
      isShell: true,
      hasStdin: true,
      terminal: undefined,
    });
  });

  test("stdin_eof ends the input while the call stays open", async () => {
    const outcome = await exec(f, [start({}), { case: "stdinEof", value: true }], false);
    expect(outcome.payloads).toEqual([["exitCode", 7]]);
  });

  test("an error of the agent's is a payload, and the exit code still comes", async () => {
    const outcome = await exec(f, [start({}), stdin("fail")]);
    expect(outcome.payloads).toEqual([
      ["error", "no such user"],
      ["exitCode", 7],
    ]);
  });

  test("without has_stdin nothing that the client sends reaches the command", async () => {
    const ended = f.core.ended.count;
    const call = bidi(f.grpc, execCommand);
    const seen: unknown[] = [];
    call.on("data", (reply) => seen.push(reply));
    call.on("error", () => {});
    const send = (payload: guestExec.ExecCommandRequest["payload"]) =>
      call.write(message(guestExec.ExecCommandRequestSchema, { payload }));
    send(start({ hasStdin: false }));
    send(stdin("hello"));
    call.end();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(seen).toEqual([]);
    call.cancel();
    await until(() => f.core.ended.count > ended, "the session to be closed");
  });

  test.each<[string, readonly guestExec.ExecCommandRequest["payload"][]]>([
    ["nothing at all", []],
    ["stdin first", [stdin("x")]],
    ["a start without a uid", [start({ uid: "" })]],
    ["a start without a command", [start({ cmd: "" })]],
  ])("%s has upstream's words", async (_, sent) => {
    const { error } = await exec(f, sent);
    expect([error?.code, error?.details]).toEqual([
      status.INVALID_ARGUMENT,
      "first message must be a start message with uid and cmd set",
    ]);
  });

  test("a second start, and stdin after its end, are refused", async () => {
    const twice = await exec(f, [start({}), start({})]);
    expect(twice.error?.details).toContain("must be the first message only");
    const late = await exec(f, [start({}), { case: "stdinEof", value: true }, stdin("x")]);
    expect(late.payloads.length === 1 || late.error?.details.includes("follows stdin_eof")).toBe(true);
  });

  test("a microVM that nobody has is not found, over both services", async () => {
    const uid = "01JD0000000000000000000099";
    const executed = await exec(f, [start({ uid })]);
    expect([executed.error?.code, executed.error?.details]).toEqual([
      status.NOT_FOUND,
      expect.stringContaining("not found"),
    ]);
    const proxied = await proxy(f, [{ case: "uid", value: uid }]);
    expect(proxied.error?.code).toBe(status.NOT_FOUND);
  });

  test("a client that goes, or whose time is up, ends the session in the guest", async () => {
    for (const leave of ["cancel", "deadline"] as const) {
      const { length: before } = f.core.executed;
      const ended = f.core.ended.count;
      const call = f.grpc.makeBidiStreamRequest(
        `/${execCommand.parent.typeName}/${execCommand.name}`,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        leave === "deadline" ? { deadline: Date.now() + 200 } : {},
      );
      const over = new Promise<ServiceError>((resolve) => call.on("error", resolve));
      call.resume();
      call.write(encodeMessage(guestExec.ExecCommandRequestSchema, { payload: start({}) }));
      await until(() => f.core.executed.length > before, "the command to start");
      if (leave === "cancel") call.cancel();
      const wanted = leave === "cancel" ? status.CANCELLED : status.DEADLINE_EXCEEDED;
      expect((await over).code).toBe(wanted);
      await until(() => f.core.ended.count > ended, "the session to be closed");
    }
  });

  test("the SSH proxy carries bytes to the guest's SSH port both ways, and the half-close", async () => {
    const outcome = await proxy(f, [
      { case: "uid", value: UID },
      { case: "data", value: Buffer.from("SSH-2.0-x\r\n") },
    ]);
    expect(outcome).toEqual({ payloads: [["data", "SSH-2.0-x\r\n"]], error: undefined });
    expect(f.core.connected.at(-1)).toBe(1025);
  });

  test("the SSH proxy's first message has upstream's words", async () => {
    for (const sent of [
      [],
      [{ case: "data", value: Buffer.from("x") }],
      [{ case: "uid", value: "" }],
    ] as const) {
      const { error } = await proxy(f, sent);
      expect([error?.code, error?.details]).toEqual([status.INVALID_ARGUMENT, "first message must set uid"]);
    }
  });

  test("our own exec has a terminal, its size and signals", async () => {
    const call = bidi(f.grpc, ext.MicroVMs.method.exec);
    const outcome = outcomeOf(call, ({ payload }: ext.ExecResponse) => [payload.case, textOf(payload.value)]);
    const send = (payload: ext.ExecRequest["payload"]) =>
      call.write(message(ext.ExecRequestSchema, { payload }));
    const size = message(ext.TerminalSizeSchema, { rows: 24, columns: 80 });
    send({
      case: "start",
      value: message(ext.ExecStartSchema, { target: "web-0", cmd: "top", terminal: size, hasStdin: true }),
    });
    send({ case: "resize", value: size });
    send({ case: "signal", value: "INT" });
    call.end();
    expect((await outcome).payloads).toEqual([
      ["stderr", "rows 24"],
      ["stderr", "signal INT"],
      ["exitCode", 7],
    ]);
    expect(f.core.executed.at(-1)).toMatchObject({ cmd: "top", terminal: { rows: 24, columns: 80 } });
  });

  test("reflection lists them, and ServerInfo says that they are on, and where", async () => {
    const names = await listed(f);
    expect(names).toContain("microvmexec.services.api.v1alpha1.MicroVMExec");
    expect(names).toContain("microvmsshproxy.services.api.v1alpha1.MicroVMSSHProxy");
    const info = await unary(f.grpc, wire.MicroVM.method.serverInfo, {});
    const service = { enabled: true, address: f.api.addresses["grpc"] };
    expect(info).toMatchObject({ exec: service, sshProxy: service });
    expect(info.exec?.address).toMatch(/^(127\.0\.0\.1|\[::1\]):\d+$/);
    expect(info.version).toMatchObject({
      version: "v0.15.2+flintlock.0.1.0",
      buildDate: "2026-11-24T12:00:00Z",
      commitHash: "0123abc",
    });
    expect(info.uptime).toMatchObject({ seconds: 61n, nanos: 500_000_000 });
  });
});

describe("the guest services, off as by default", () => {
  let f: Fixture;
  beforeAll(async () => {
    f = await startFixture();
  });
  afterAll(() => f[Symbol.asyncDispose]());

  test("they are unimplemented, not listed, and ServerInfo says so", async () => {
    expect(await listed(f)).toContain("microvm.services.api.v1alpha1.MicroVM");
    expect(await listed(f)).not.toMatch(/MicroVMExec|MicroVMSSHProxy/);
    expect((await exec(f, [start({})])).error?.code).toBe(status.UNIMPLEMENTED);
    expect((await proxy(f, [{ case: "uid", value: UID }])).error?.code).toBe(status.UNIMPLEMENTED);
    const info = await unary(f.grpc, wire.MicroVM.method.serverInfo, {});
    const off = { enabled: false, address: "" };
    expect(info).toMatchObject({ exec: off, sshProxy: off });
  });
});
