/** CopyOut, CopyIn and Stats as they travel, and what they are refused for. */
import { ext } from "@flintlock/api";
import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  bidi,
  message,
  serverStream,
} from "../../../packages/daemon/src/adapters/api/testing/grpc-client.ts";
import { type Fixture, startFixture } from "./fixture.ts";

const { method } = ext.MicroVMs;
const START = {
  case: "start",
  value: message(ext.CopyInStartSchema, { target: "web-0", path: "/srv" }),
} as const;

let f: Fixture;
beforeAll(async () => {
  f = await startFixture();
});
afterAll(() => f[Symbol.asyncDispose]());

/** How many answers came, and how the call ended. */
const copyIn = (...payloads: readonly ext.CopyInRequest["payload"][]) =>
  new Promise<{ readonly answers: number; readonly code: number; readonly details: string }>((resolve) => {
    const call = bidi(f.grpc, method.copyIn);
    let answers = 0;
    call.on("data", () => {
      answers += 1;
    });
    call.on("error", () => undefined);
    call.on("status", ({ code, details }) => resolve({ answers, code, details }));
    for (const payload of payloads) call.write(message(ext.CopyInRequestSchema, { payload }));
    call.end();
  });

test("an archive comes out in pieces, over gRPC and, in base64, over HTTP", async () => {
  const pieces: string[] = [];
  for await (const { data } of serverStream(f.grpc, method.copyOut, { target: "web-0", path: "/etc" })) {
    pieces.push(Buffer.from(data).toString());
  }
  expect(pieces).toEqual(["/etc"]);
  const response = await fetch(`${f.httpUrl}/v1/microvms/web-0/files?path=/etc`);
  expect([response.status, await response.json()]).toEqual([200, { result: { data: btoa("/etc") } }]);
  expect((await fetch(`${f.httpUrl}/v1/microvms/nobody/files?path=/etc`)).status).toBe(404);
});

test("an archive goes in, and is answered once when all is there", async () => {
  const data = { case: "data", value: Buffer.alloc(1000) } as const;
  f.core.loaded.bytes = 0;
  expect(await copyIn(START, data, data)).toMatchObject({ answers: 1, code: status.OK });
  expect(f.core.loaded.bytes).toBe(2000);
});

test("a call that does not begin with its start, or begins twice, is refused", async () => {
  const data = { case: "data", value: Buffer.alloc(10) } as const;
  const refused = { answers: 0, code: status.INVALID_ARGUMENT };
  expect(await copyIn()).toMatchObject({ ...refused, details: expect.stringContaining("first message") });
  expect(await copyIn(data)).toMatchObject({ ...refused, details: expect.stringContaining("first message") });
  expect(await copyIn(START, START)).toMatchObject({ ...refused, details: expect.stringContaining("only") });
});

test("numbers over HTTP say which of the two sides told nothing, and why", async () => {
  const response = await fetch(`${f.httpUrl}/v1/microvms/web-0/stats`);
  expect(await response.json()).toMatchObject({
    name: "web-0",
    vmm: { cpuMilliseconds: "1", residentBytes: "2" },
    guestError: "the guest says nothing",
  });
});
