import type { JsonObject } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ABSENT, isJustifiedBy } from "../differences/justified.ts";
import { diffAnswers } from "./diff.ts";
import { normalised } from "./normalise.ts";

test("what differs is told leaf by leaf, items by their device id or id", () => {
  const vm = (interfaces: JsonObject[], more: JsonObject = {}) => ({
    code: "OK",
    body: { spec: { interfaces }, ...more },
  });
  expect(
    diffAnswers(
      vm([{ deviceId: "eth0" }, { deviceId: "eth1", type: "TAP" }]),
      vm([{ deviceId: "eth1", type: "MACVTAP" }], { version: 1 }),
    ),
  ).toEqual([
    { path: "body.spec.interfaces[eth0]", upstream: { deviceId: "eth0" }, ours: undefined },
    { path: "body.spec.interfaces[eth1].type", upstream: "TAP", ours: "MACVTAP" },
    { path: "body.version", upstream: undefined, ours: 1 },
  ]);
});

test("accepted by one and refused by the other is one difference", () => {
  expect(
    diffAnswers({ code: "OK", body: { a: 1 } }, { code: "NOT_FOUND", message: "no", trailers: {} }),
  ).toEqual([{ path: "outcome", upstream: "OK", ours: "NOT_FOUND no" }]);
  expect(diffAnswers({ status: 500, body: { message: "no" } }, { status: 200 })).toEqual([
    { path: "outcome", upstream: "500 no", ours: "200" },
  ]);
  expect(diffAnswers({ status: 500 }, { status: 404 })).toEqual([
    { path: "status", upstream: 500, ours: 404 },
  ]);
});

test("a list and an object are not alike, however empty", () => {
  expect(diffAnswers({ body: [] }, { body: {} })).toHaveLength(1);
});

test("uids, times and what moves are taken out, and only they", () => {
  const answer = {
    body: {
      microvm: {
        version: 3,
        spec: { uid: "01ARZ3NDEKTSV4RRFFQ69G5FAV", createdAt: "2026-11-24T10:00:00.5Z", id: "vm" },
        status: { state: "CREATED" },
      },
    },
  };
  expect(normalised(answer, true)).toEqual({
    body: {
      microvm: {
        version: "<moves>",
        spec: { uid: "<uid>", createdAt: "<time>", id: "vm" },
        status: "<moves>",
      },
    },
  });
  expect(normalised(answer, false).body).toMatchObject({
    microvm: { version: 3, status: { state: "CREATED" } },
  });
});

test("a justification holds for its cases, its path and its value alone", () => {
  const entry = { cases: ["grpc get*"], path: "body*.labels.*", ours: /^a/, why: "" };
  const difference = { path: "body.microvm.spec.labels.x", upstream: undefined, ours: "ab" };
  expect(isJustifiedBy(entry, "grpc get: all", difference)).toBe(true);
  expect(isJustifiedBy(entry, "http get: all", difference)).toBe(false);
  expect(isJustifiedBy(entry, "grpc get: all", { ...difference, path: "body.labelsX" })).toBe(false);
  expect(isJustifiedBy(entry, "grpc get: all", { ...difference, ours: "b" })).toBe(false);
  expect(isJustifiedBy(entry, "grpc get: all", { ...difference, ours: undefined })).toBe(false);
  expect(isJustifiedBy({ ...entry, ours: ABSENT }, "grpc get", { ...difference, ours: undefined })).toBe(
    true,
  );
  expect(
    isJustifiedBy({ path: "status", ours: 404, why: "" }, "x", { path: "status", upstream: 1, ours: 500 }),
  ).toBe(false);
});
