/** Seeded mutations of whole connections: nothing a client sends is the daemon's error, or its end. */
import { connect } from "node:net";
import { wire } from "@flintlock/api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { unary } from "../../../packages/daemon/src/adapters/api/testing/grpc-client.ts";
import { mutate, seeded } from "../../fuzz/random.ts";
import { type Fixture, startFixture, unixHttp } from "./fixture.ts";

const SEED = Number(process.env["FLINTLOCK_FUZZ_SEED"] ?? 20_261_121);
const ROUNDS = 400;

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

const isStillAlive = async (): Promise<void> => {
  const { microvm } = await unary(f.grpc, wire.MicroVM.method.listMicroVMs, {
    namespace: "shop",
    name: "web-0",
  });
  expect(microvm.length).toBeGreaterThan(0);
  expect((await unixHttp(f.socketPath, "GET", "/v1/host")).status).toBe(200);
  expect(f.errors).toEqual([]);
  expect(rejections).toEqual([]);
};

const json = JSON.stringify({ id: "fuzz", vcpu: 2, rootVolume: { id: "r", source: {} }, labels: { a: "b" } });

test(`${ROUNDS} mutated connections, HTTP/1 and HTTP/2 (seed ${SEED})`, async () => {
  const random = seeded(SEED);
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
    for (let round = 0; round < ROUNDS / 8; round += 1) {
      const isHttp2 = random.chance(0.5);
      // Mutations of the preface itself would end the conversation at once
      const mutant = isHttp2
        ? Buffer.concat([preface, mutate(random, http2.subarray(preface.length))])
        : mutate(random, http1);
      await send(mutant);
    }
  });
  await Promise.all(lanes);
  await isStillAlive();
});
