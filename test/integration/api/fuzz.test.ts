/** Seeded mutations of valid requests: nothing a client sends is the daemon's error, or its end. */
import { connect } from "node:net";
import { ext, Images, types, wire } from "@flintlock/api";
import { type ServiceError, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  encodeMessage,
  message,
  unary,
} from "../../../packages/daemon/src/adapters/api/testing/grpc-client.ts";
import { type Fixture, startFixture, unixHttp } from "./fixture.ts";

const SEED = Number(process.env["FLINTLOCK_FUZZ_SEED"] ?? 20_261_121);
const ROUNDS = 2_000;
const RAW_ROUNDS = 400;

let f: Fixture;
const rejections: unknown[] = [];
const onRejection = (error: unknown): void => void rejections.push(error);
beforeAll(async () => {
  process.on("unhandledRejection", onRejection);
  f = await startFixture(2, { sniffTimeoutMs: 300, headersTimeoutMs: 300, requestTimeoutMs: 300 });
});
afterAll(async () => {
  process.off("unhandledRejection", onRejection);
  await f[Symbol.asyncDispose]();
});

/** mulberry32 */
const random = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
};

type Rng = () => number;
/** Creates succeed; their records would make every later list longer. */
const forgetCreated = (): void => {
  for (const [uid, { id }] of f.core.records) if (!id.startsWith("web-")) f.core.records.delete(uid);
};
const below = (rng: Rng, limit: number): number => Math.floor(rng() * limit);

const mutate = (rng: Rng, original: Buffer): Buffer => {
  let bytes = Buffer.from(original);
  for (let n = 1 + below(rng, 4); n > 0; n -= 1) {
    const at = below(rng, bytes.length + 1);
    const kind = below(rng, 5);
    if (kind === 0 && at < bytes.length) bytes[at] = below(rng, 256);
    else if (kind === 1) bytes = bytes.subarray(0, at);
    else if (kind === 2)
      bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([below(rng, 256)]), bytes.subarray(at)]);
    else if (kind === 3) bytes = Buffer.concat([bytes, bytes.subarray(at)]);
    else if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << below(rng, 8));
  }
  return bytes;
};

const spec = message(types.MicroVMSpecSchema, {
  id: "fuzz",
  namespace: "shop",
  labels: { a: "b" },
  vcpu: 2,
  kernel: { image: "k:1", cmdline: { quiet: "" }, filename: "vmlinux" },
  rootVolume: { id: "root", source: { containerSource: "os:1" }, sizeInMb: 10 },
  interfaces: [
    { deviceId: "eth1", type: 1, address: { address: "10.0.0.2/24", gateway: "10.0.0.1" }, overrides: {} },
  ],
  metadata: { "user-data": "eA==" },
});
const v1alpha1 = wire.MicroVM.method;
const requests = [
  {
    method: v1alpha1.createMicroVM,
    bytes: encodeMessage(wire.CreateMicroVMRequestSchema, { microvm: spec }),
  },
  {
    method: v1alpha1.getMicroVM,
    bytes: encodeMessage(wire.GetMicroVMRequestSchema, { uid: "01JD0000000000000000000000" }),
  },
  {
    method: v1alpha1.listMicroVMs,
    bytes: encodeMessage(wire.ListMicroVMsRequestSchema, { namespace: "shop", name: "web-0" }),
  },
  {
    method: ext.MicroVMs.method.create,
    bytes: encodeMessage(ext.CreateRequestSchema, {
      microvm: spec,
      process: { command: ["sh"] },
      ports: [{ guestPort: 80 }],
    }),
  },
  {
    method: ext.MicroVMs.method.list,
    bytes: encodeMessage(ext.ListRequestSchema, { labels: { tier: "front" } }),
  },
  { method: Images.method.inspect, bytes: encodeMessage(Images.method.inspect.input, { reference: "a:1" }) },
];
/** What the daemon may say to nonsense; INTERNAL and UNKNOWN would be its own fault. */
const HONEST = [
  status.OK,
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.RESOURCE_EXHAUSTED,
  status.FAILED_PRECONDITION,
];

const isStillAlive = async (): Promise<void> => {
  const { microvm } = await unary(f.grpc, v1alpha1.listMicroVMs, { namespace: "shop", name: "web-0" });
  expect(microvm.length).toBeGreaterThan(0);
  expect((await unixHttp(f.socketPath, "GET", "/v1/host")).status).toBe(200);
  expect(f.errors).toEqual([]);
  expect(rejections).toEqual([]);
};

test(`${ROUNDS} mutated gRPC messages (seed ${SEED})`, async () => {
  const rng = random(SEED);
  const same = (bytes: Buffer): Buffer => bytes;
  const seen = new Set<number>();
  for (let round = 0; round < ROUNDS; round += 1) {
    forgetCreated();
    const { method, bytes } = requests[below(rng, requests.length)] ??
      requests[0] ?? { method: v1alpha1.getMicroVM, bytes: Buffer.alloc(0) };
    const mutant = mutate(rng, bytes);
    const path = `/${method.parent.typeName}/${method.name}`;
    const code = await new Promise<number>((resolve) => {
      f.grpc.makeUnaryRequest(path, same, same, mutant, (error: ServiceError | null) =>
        resolve(error?.code ?? 0),
      );
    });
    seen.add(code);
    expect([round, HONEST.includes(code) ? "honest" : code]).toEqual([round, "honest"]);
  }
  // Or the mutations would reach nothing
  expect([...seen]).toEqual(expect.arrayContaining([status.OK, status.INVALID_ARGUMENT]));
  await isStillAlive();
});

const json = JSON.stringify({ id: "fuzz", vcpu: 2, rootVolume: { id: "r", source: {} }, labels: { a: "b" } });
const httpRequests = [
  { method: "POST", path: "/v1alpha1/microvm", body: json },
  {
    method: "POST",
    path: "/v1/microvms",
    body: `{"microvm":${json},"ports":[{"guestPort":80}],"restart":"ALWAYS"}`,
  },
  {
    method: "POST",
    path: "/microvm.services.api.v1alpha1.MicroVM/ListMicroVMsStream",
    body: `{"namespace":"shop"}`,
  },
  { method: "GET", path: "/v1alpha1/microvm/shop?name=web-0", body: "" },
  { method: "GET", path: "/v1/microvms?labels[tier]=front&namespace=shop", body: "" },
  { method: "GET", path: "/v1/microvms/web-0/logs?tail=2&source=console", body: "" },
  { method: "DELETE", path: "/v1/microvms/nobody", body: "" },
];

test(`${ROUNDS} mutated HTTP requests (seed ${SEED})`, async () => {
  const rng = random(SEED + 1);
  const seen = new Set<number>();
  const printable = (bytes: Buffer): string => bytes.toString("latin1").replace(/[^\x21-\x7e]/g, "~");
  for (let round = 0; round < ROUNDS; round += 1) {
    forgetCreated();
    const { method, path, body } = httpRequests[below(rng, httpRequests.length)] ?? {
      method: "GET",
      path: "/",
      body: "",
    };
    const isPath = body === "" || rng() < 0.2;
    const mutantPath = isPath ? `/${printable(mutate(rng, Buffer.from(path.slice(1))))}` : path;
    const mutantBody = isPath ? body : mutate(rng, Buffer.from(body)).toString("latin1");
    const { status: code, text } = await unixHttp(f.socketPath, method, mutantPath, mutantBody);
    seen.add(code);
    const isHonest = code < 500 || code === 501;
    expect([mutantPath, mutantBody, isHonest ? "honest" : `${code} ${text}`]).toEqual([
      mutantPath,
      mutantBody,
      "honest",
    ]);
    // A stream of nothing has no line
    for (const line of text.split("\n").filter((each) => each !== "")) JSON.parse(line);
  }
  expect([...seen]).toEqual(expect.arrayContaining([200, 400, 404]));
  await isStillAlive();
});

test(`${RAW_ROUNDS} mutated connections, HTTP/1 and HTTP/2 (seed ${SEED})`, async () => {
  const rng = random(SEED + 2);
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  const headers = Buffer.from([0, 0, 5, 1, 4, 0, 0, 0, 1, 0x83, 0x86, 0x84, 0x41, 0x01]);
  const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const http2 = Buffer.concat([
    preface,
    settings,
    headers,
    Buffer.from([0, 0, 5, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0]),
  ]);
  const http1 = Buffer.from(
    `POST /v1alpha1/microvm HTTP/1.1\r\nHost: x\r\nContent-Length: ${json.length}\r\n\r\n${json}`,
  );
  const send = (bytes: Buffer): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(f.socketPath);
      const timer = setTimeout(() => socket.destroy(), 50);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        clearTimeout(timer);
        resolve();
      });
      socket.resume();
      socket.write(bytes);
    });
  const lanes = Array.from({ length: 8 }, async () => {
    for (let round = 0; round < RAW_ROUNDS / 8; round += 1) {
      const isHttp2 = rng() < 0.5;
      // Mutations of the preface itself would end the conversation at once
      const mutant = isHttp2
        ? Buffer.concat([preface, mutate(rng, http2.subarray(preface.length))])
        : mutate(rng, http1);
      await send(mutant);
    }
  });
  await Promise.all(lanes);
  await isStillAlive();
});
