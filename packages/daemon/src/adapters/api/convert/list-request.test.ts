import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type AnySchema, anyPack, BoolValueSchema, StringValueSchema } from "@bufbuild/protobuf/wkt";
import { ext, wire } from "@flintlock/api";
import { expect, test } from "vitest";
import { extendedListRequest, wireListRequest } from "./list-request.ts";
import { requestIdOf, wireRequestId } from "./request-id.ts";

const plain = (metadata: Readonly<Record<string, string>>) =>
  wireListRequest(
    create(wire.ListMicroVMsRequestSchema, { namespace: "ns", name: "" }),
    new Map(Object.entries(metadata)),
  );

test("a client that sends no metadata gets upstream's list", () => {
  expect(plain({})).toEqual({
    filter: { namespace: "ns", name: undefined, labels: {}, states: [] },
    page: { size: 0, token: "" },
  });
});

test("metadata carries filters and pages", () => {
  const asked = plain({
    "flintlock-labels": "tier=front, zone=a=b,empty=",
    "flintlock-states": "CREATED, deleting",
    "flintlock-page-size": "10",
    "flintlock-page-token": "01JD0000000000000000000001",
  });
  expect(asked.filter).toMatchObject({
    labels: { tier: "front", zone: "a=b", empty: "" },
    states: ["created", "deleting"],
  });
  expect(asked.page).toEqual({ size: 10, token: "01JD0000000000000000000001" });
});

test.each([
  [{ "flintlock-labels": "nokey" }, "flintlock-labels"],
  [{ "flintlock-labels": "=x" }, "flintlock-labels"],
  [{ "flintlock-states": "sleeping" }, "flintlock-states"],
  [{ "flintlock-page-size": "-1" }, "flintlock-page-size"],
  [{ "flintlock-page-size": "1e3" }, "flintlock-page-size"],
])("%j is refused by name", (metadata, field) => {
  expect(() => plain(metadata)).toThrow(expect.objectContaining({ detail: { field } }));
});

test("flintlock.v1 has fields for it, and an unknown state is refused", () => {
  const asked = (init: MessageInitShape<typeof ext.ListRequestSchema>) =>
    extendedListRequest(create(ext.ListRequestSchema, init));
  expect(asked({ states: [ext.State.RUNNING, ext.State.EXITED] }).filter.states).toEqual([
    "created",
    "exited",
  ]);
  expect(() => asked({ states: [9 as ext.State] })).toThrow(/states\[0\]: 9 is not a state/);
});

test("a request id comes as metadata, as a field, or as both when they agree", () => {
  const key = new Map([["idempotency-key", "k"]]);
  expect([
    requestIdOf("", key),
    requestIdOf("k", key),
    requestIdOf("f", new Map()),
    requestIdOf("", new Map()),
  ]).toEqual(["k", "k", "f", ""]);
  expect(() => requestIdOf("f", key)).toThrow(/request_id: differs/);
});

test("v1alpha1's own metadata may hold it, as a text and nothing else", () => {
  const request = (any: MessageInitShape<typeof AnySchema>) =>
    create(wire.CreateMicroVMRequestSchema, { metadata: { request_id: any } });
  expect(wireRequestId(create(wire.CreateMicroVMRequestSchema))).toBe("");
  const text = anyPack(StringValueSchema, create(StringValueSchema, { value: "r1" }));
  expect(wireRequestId(request(text))).toBe("r1");
  const bad = [
    anyPack(BoolValueSchema, create(BoolValueSchema, { value: true })),
    { ...text, value: Uint8Array.of(255) },
  ];
  for (const any of bad) expect(() => wireRequestId(request(any))).toThrow(/metadata\[request_id\]: must be/);
});
