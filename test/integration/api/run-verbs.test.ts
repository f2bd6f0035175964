/** Start, stop, restart, pause and resume as they travel, and what they are refused for. */
import type { DescMethodUnary } from "@bufbuild/protobuf";
import { ext } from "@flintlock/api";
import { FlintlockError } from "@flintlock/core";
import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { unary } from "../../../packages/daemon/src/adapters/api/testing/grpc-client.ts";
import { type Fixture, startFixture } from "./fixture.ts";

const UID = "01JD0000000000000000000000";

let f: Fixture;
beforeAll(async () => {
  f = await startFixture();
});
afterAll(() => f[Symbol.asyncDispose]());

const post = async (path: string, body: unknown = {}) => {
  const url = `${f.httpUrl}/v1/microvms/${path}`;
  const response = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  return { status: response.status, json: JSON.parse(await response.text()) };
};
const wish = () => f.core.records.get(UID)?.run;

test.each([
  ["start", {}, { state: "running", isAnew: true }, "RUNNING"],
  ["stop", {}, { state: "stopped", isAnew: false }, "STOPPED"],
  ["stop", { graceSeconds: 30 }, { state: "stopped", isAnew: false, graceMs: 30_000 }, "STOPPED"],
  ["stop", { graceSeconds: 0 }, { state: "stopped", isAnew: false, graceMs: 0 }, "STOPPED"],
  ["stop", { force: true }, { state: "stopped", isAnew: false, graceMs: 0 }, "STOPPED"],
  ["restart", { grace_seconds: 1 }, { state: "running", isAnew: true, graceMs: 1000 }, "RUNNING"],
  ["pause", {}, { state: "paused", isAnew: false }, "PAUSED"],
  ["resume", {}, { state: "running", isAnew: false }, "RUNNING"],
])("POST …:%s %j", async (verb, body, run, desiredState) => {
  const { status: code, json } = await post(`web-0:${verb}`, body);
  expect([code, json.desiredState, json.microvm.spec.uid]).toEqual([200, desiredState, UID]);
  expect(wish()).toEqual(run);
});

test("the same over gRPC, where a grace of 0 is not one that is absent", async () => {
  const { method } = ext.MicroVMs;
  const verbs: readonly DescMethodUnary[] = [
    method.start,
    method.stop,
    method.restart,
    method.pause,
    method.resume,
  ];
  for (const verb of verbs) await unary(f.grpc, verb, { target: "web-0" });
  const vm = await unary(f.grpc, method.stop, { target: "web-0", graceSeconds: 0 });
  expect(vm).toMatchObject({ desiredState: ext.State.STOPPED });
  expect(wish()).toEqual({ state: "stopped", isAnew: false, graceMs: 0 });
  await unary(f.grpc, method.stop, { target: "web-0" });
  expect(wish()).toEqual({ state: "stopped", isAnew: false });
  await expect(unary(f.grpc, method.start, { target: "" })).rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
  });
});

test.each([
  [{ graceSeconds: 3601 }, /grace_seconds: must be 0 to 3600/],
  [{ graceSeconds: -1 }, /graceSeconds|grace_seconds/],
  [{ graceSeconds: 1.5 }, /graceSeconds|grace_seconds/],
  [{ graceSeconds: 5, force: true }, /force: gives the guest no time/],
])("a stop with %j is refused", async (body, words) => {
  const before = wish();
  for (const verb of ["stop", "restart"]) {
    const { status: code, json } = await post(`web-0:${verb}`, body);
    expect([code, json.code]).toEqual([400, 3]);
    expect(json.message).toMatch(words);
  }
  expect(wish()).toBe(before);
});

test("who is not there is not found, and what the core refuses comes with its hint", async () => {
  expect(await post("nobody:start")).toMatchObject({ status: 404, json: { code: 5 } });
  f.core.broken.error = new FlintlockError("failed_precondition", "microvm web-0 is exited", {
    hint: "Start it first.",
  });
  const { status: code, json } = await post("web-0:pause");
  f.core.broken.error = undefined;
  expect([code, json.code, json.message]).toEqual([400, 9, expect.stringContaining("is exited")]);
  expect(JSON.stringify(json.details)).toContain("Start it first.");
});
