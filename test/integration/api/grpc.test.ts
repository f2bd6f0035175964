import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ext, Images, LoadRequestSchema, types, wire } from "@flintlock/api";
import { FlintlockError } from "@flintlock/core";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  bidi,
  message,
  serverStream,
  unary,
} from "../../../packages/daemon/src/adapters/api/testing/grpc-client.ts";
import { type Fixture, startFixture, until } from "./fixture.ts";

const { createMicroVM, getMicroVM, deleteMicroVM, listMicroVMs, listMicroVMsStream } = wire.MicroVM.method;
const UID = "01JD0000000000000000000000";

const failure = async (call: Promise<unknown>): Promise<ServiceError> => {
  const error = await call.then(
    () => undefined,
    (thrown: ServiceError) => thrown,
  );
  if (error === undefined) throw new Error("the call succeeded");
  return error;
};

describe("v1alpha1 over gRPC", () => {
  let f: Fixture;
  beforeAll(async () => {
    f = await startFixture();
  });
  afterAll(() => f[Symbol.asyncDispose]());

  test("create passes every field on and answers the record", async () => {
    const response = await unary(f.grpc, createMicroVM, {
      microvm: {
        id: "a",
        namespace: "ns",
        labels: { k: "v" },
        vcpu: 2,
        kernel: { image: " registry.test/k:1\n", cmdline: { quiet: "" } },
        rootVolume: { id: "root", source: { containerSource: "registry.test/os:1" } },
        interfaces: [{ deviceId: "eth1", type: types.NetworkInterface_IfaceType.TAP, overrides: {} }],
      },
    });
    expect(response.microvm?.spec?.id).toBe("a");
    expect(response.microvm?.spec?.uid).toHaveLength(26);
    const input = f.core.created.at(-1);
    expect(input).toMatchObject({
      id: "a",
      labels: { k: "v" },
      kernel: { image: "registry.test/k:1", filename: "" },
      interfaces: [{ deviceId: "eth1", type: 1, bridgeName: undefined }],
      extension: undefined,
    });
  });

  test("create without a spec has upstream's words", async () => {
    const error = await failure(unary(f.grpc, createMicroVM, {}));
    expect(error.code).toBe(status.INVALID_ARGUMENT);
    expect(error.details).toBe("invalid create microvm request: MicroVMSpec required");
  });

  test("a refusal of the core carries its field as BadRequest", async () => {
    const error = await failure(unary(f.grpc, createMicroVM, { microvm: { id: "a", vcpu: 99 } }));
    expect(error.code).toBe(status.INVALID_ARGUMENT);
    const [details] = error.metadata.get("grpc-status-details-bin");
    const text = Buffer.from(details as Buffer).toString("latin1");
    expect(text).toContain("type.googleapis.com/google.rpc.BadRequest");
    expect(text).toContain("vcpu");
    expect(text).toContain("invalid_spec");
  });

  test("get and delete want a uid, and say not found for an unknown one", async () => {
    for (const remove of [false, true]) {
      const call = (uid: string): Promise<unknown> =>
        remove ? unary(f.grpc, deleteMicroVM, { uid }) : unary(f.grpc, getMicroVM, { uid });
      const empty = await failure(call(""));
      expect([empty.code, empty.details]).toEqual([status.INVALID_ARGUMENT, "invalid request"]);
      const unknown = await failure(call("nope"));
      expect(unknown.code).toBe(status.NOT_FOUND);
      expect(unknown.details).toContain("not found");
    }
    const response = await unary(f.grpc, getMicroVM, { uid: UID });
    expect(response.microvm?.spec?.uid).toBe(UID);
    expect(response.microvm?.status?.state).toBe(types.MicroVMStatus_MicroVMState.CREATED);
  });

  test("an empty namespace lists all, but the stream refuses it", async () => {
    const list = await unary(f.grpc, listMicroVMs, {});
    expect(list.microvm.length).toBeGreaterThanOrEqual(2);
    const none = await unary(f.grpc, listMicroVMs, { namespace: "elsewhere" });
    expect(none.microvm).toEqual([]);
    const refused = new Promise((_, reject) => {
      serverStream(f.grpc, listMicroVMsStream, {}).on("error", reject).resume();
    });
    expect((await failure(refused)).details).toBe("invalid request");
    const names: (string | undefined)[] = [];
    for await (const message of serverStream(f.grpc, listMicroVMsStream, { namespace: "shop" })) {
      names.push((message as wire.ListMessage).microvm?.spec?.id);
    }
    expect(names).toEqual(["web-0", "web-1"]);
  });

  test("an internal error is logged with its cause and told without it", async () => {
    f.core.broken.error = new Error("ENOENT: /secret/host/path");
    const error = await failure(unary(f.grpc, getMicroVM, { uid: UID }));
    f.core.broken.error = undefined;
    expect(error.code).toBe(status.INTERNAL);
    expect(error.details).not.toContain("secret");
    expect(JSON.stringify(f.errors.at(-1))).toContain("secret");
  });

  test("an error text that is not well-formed does not bring the daemon down", async () => {
    f.core.broken.error = new FlintlockError("unavailable", `registry said \ud800 ${"ü".repeat(9_000)}`);
    const error = await failure(unary(f.grpc, getMicroVM, { uid: UID }));
    f.core.broken.error = undefined;
    expect(error.code).toBe(status.UNAVAILABLE);
    expect(error.details).toContain("registry said \ufffd");
  });
});

describe("hostile gRPC clients", () => {
  let f: Fixture;
  beforeAll(async () => {
    f = await startFixture(2, { sniffTimeoutMs: 200 });
  });
  afterAll(() => f[Symbol.asyncDispose]());
  const raw = (path: string, bytes: Buffer): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const same = (value: Buffer): Buffer => value;
      f.grpc.makeUnaryRequest(path, same, same, bytes, (error, value) =>
        error ? reject(error) : resolve(value),
      );
    });

  test("a malformed message is an invalid argument", async () => {
    const path = "/microvm.services.api.v1alpha1.MicroVM/CreateMicroVM";
    for (const bytes of [
      [0xff, 0xff],
      [0x0a, 0x7f, 0x01],
      [0x0a, 0x03, 0x0a, 0x01, 0xff],
    ]) {
      expect((await failure(raw(path, Buffer.from(bytes)))).code).toBe(status.INVALID_ARGUMENT);
    }
  });

  test("an unknown method is unimplemented", async () => {
    expect((await failure(raw("/nobody.Home/Knock", Buffer.alloc(0)))).code).toBe(status.UNIMPLEMENTED);
  });

  test("a message over 4 MiB is refused", async () => {
    const id = "x".repeat(4 * 1024 * 1024);
    const error = await failure(unary(f.grpc, createMicroVM, { microvm: { id } }));
    expect(error.code).toBe(status.RESOURCE_EXHAUSTED);
  });

  test("a canceled stream ends the core's stream", async () => {
    const before = f.core.ended.count;
    const call = serverStream(f.grpc, ext.MicroVMs.method.logs, { target: "web-0", follow: true });
    await new Promise((resolve) => call.once("data", resolve));
    call.on("error", () => undefined);
    call.cancel();
    await until(() => f.core.ended.count === before + 1, "the logs end");
  });

  test("a client that vanishes ends the core's stream", async () => {
    const before = f.core.ended.count;
    const client = new Client(f.api.addresses["grpc"] ?? "", credentials.createInsecure());
    const call = serverStream(client, ext.MicroVMs.method.wait, { target: "web-0", condition: "deleted" });
    call.on("error", () => undefined);
    await new Promise((resolve) => call.once("data", resolve));
    client.getChannel().close();
    call.cancel();
    await until(() => f.core.ended.count === before + 1, "the watch ends");
    client.close();
  });

  test("a slow reader holds the core back instead of filling memory", async () => {
    const lines = 200_000;
    const call = serverStream(f.grpc, ext.MicroVMs.method.logs, { target: "web-0", tail: lines });
    call.on("error", () => undefined);
    call.pause();
    await sleep(300);
    const used = process.memoryUsage();
    expect(used.arrayBuffers + used.external).toBeLessThan(100 * 1024 * 1024);
    call.cancel();
  });

  test("attach carries both directions, sizes and signals, and ends with the exit code", async () => {
    const call = bidi(f.grpc, ext.MicroVMs.method.attach);
    const payloads: ext.AttachResponse["payload"][] = [];
    const send = (payload: ext.AttachRequest["payload"]): void => {
      call.write(message(ext.AttachRequestSchema, { payload }));
    };
    const ended = new Promise((resolve, reject) => {
      call.on("data", (message: ext.AttachResponse) => payloads.push(message.payload));
      call.on("end", resolve);
      call.on("error", reject);
    });
    send({ case: "start", value: message(ext.AttachStartSchema, { target: "web-0" }) });
    send({ case: "stdin", value: Buffer.from("hello") });
    send({ case: "resize", value: message(ext.TerminalSizeSchema, { rows: 24, columns: 80 }) });
    send({ case: "signal", value: "INT" });
    call.end();
    await ended;
    const texts = payloads.map(({ case: kind, value }) => [
      kind,
      value instanceof Uint8Array ? Buffer.from(value).toString() : value,
    ]);
    expect(texts).toEqual([
      ["stdout", "hello"],
      ["stderr", "rows 24"],
      ["stderr", "signal INT"],
      ["exitCode", 7],
    ]);
  });

  test("a bad message in mid-stream ends the attach with its error", async () => {
    const call = bidi(f.grpc, ext.MicroVMs.method.attach);
    const ended = new Promise((_, reject) => call.on("error", reject));
    call.resume();
    const start = { case: "start" as const, value: message(ext.AttachStartSchema, { target: "web-0" }) };
    call.write(message(ext.AttachRequestSchema, { payload: start }));
    call.write(message(ext.AttachRequestSchema, { payload: start }));
    expect((await failure(ended)).details).toContain("must be the first message only");
  });

  test("a stream that starts with anything else is refused, and so is one that just ends", async () => {
    for (const method of [
      ext.MicroVMs.method.attach,
      ext.MicroVMs.method.console,
      Images.method.load,
    ] as const) {
      const call = bidi(f.grpc, method as typeof ext.MicroVMs.method.attach);
      const ended = new Promise((_, reject) => call.on("error", reject));
      call.resume();
      call.end();
      const error = await failure(ended);
      expect([error.code, error.details]).toEqual([
        status.INVALID_ARGUMENT,
        "start: must be the first message",
      ]);
    }
  });

  test("an archive of any size loads with the client waiting for the daemon", async () => {
    const call = bidi(f.grpc, Images.method.load);
    const response = new Promise((resolve, reject) => {
      call.on("data", resolve);
      call.on("error", reject);
    });
    call.write(message(LoadRequestSchema, { payload: { case: "start", value: { reference: "a:1" } } }));
    const data = Buffer.alloc(256 * 1024);
    for (let n = 0; n < 200; n += 1) {
      const isTaken = call.write(message(LoadRequestSchema, { payload: { case: "data", value: data } }));
      if (!isTaken) await new Promise((resolve) => call.once("drain", resolve));
    }
    call.end();
    expect(await response).toMatchObject({
      payload: { case: "image", value: { sizeBytes: 5_000_000_000n } },
    });
    expect(f.core.loaded.bytes).toBe(200 * data.byteLength);
  });

  test("a deadline of the client ends the call", async () => {
    const call = f.grpc.makeServerStreamRequest(
      "/flintlock.v1.MicroVMs/Wait",
      () => Buffer.from([0x0a, 5, ...Buffer.from("web-0"), 0x1a, 7, ...Buffer.from("deleted")]),
      (bytes: Buffer) => bytes,
      {},
      { deadline: Date.now() + 200 },
    );
    call.resume();
    const error = await failure(new Promise((_, reject) => call.on("error", reject)));
    expect(error.code).toBe(status.DEADLINE_EXCEEDED);
  });
});

test("the socket is private, and so is the directory that was made for it", async () => {
  await using f = await startFixture();
  expect((await stat(f.socketPath)).mode & 0o777).toBe(0o600);
  expect((await stat(dirname(f.socketPath))).mode & 0o777).toBe(0o700);
});
