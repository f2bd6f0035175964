/** Pages, filters and request ids as they travel: gRPC metadata and HTTP headers. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { wire } from "@flintlock/api";
import { Metadata } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { message } from "../../../packages/daemon/src/adapters/api/testing/grpc-client.ts";
import { type Fixture, startFixture } from "./fixture.ts";

let fixture: Fixture;
beforeAll(async () => {
  fixture = await startFixture(5);
});
afterAll(async () => await fixture[Symbol.asyncDispose]());

interface Listed {
  readonly names: readonly string[];
  readonly next: string;
}

const list = (headers: Readonly<Record<string, string>>): Promise<Listed> =>
  new Promise((resolve, reject) => {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    let next = "";
    fixture.grpc
      .makeUnaryRequest(
        "/microvm.services.api.v1alpha1.MicroVM/ListMicroVMs",
        (request: wire.ListMicroVMsRequest) => Buffer.from(toBinary(wire.ListMicroVMsRequestSchema, request)),
        (bytes: Buffer) => fromBinary(wire.ListMicroVMsResponseSchema, bytes),
        message(wire.ListMicroVMsRequestSchema),
        metadata,
        (error, response) => {
          if (error) reject(error);
          else resolve({ names: response?.microvm.map((vm) => vm.spec?.id ?? "") ?? [], next });
        },
      )
      .on("metadata", (reply) => {
        next = String(reply.get("flintlock-next-page-token").at(0) ?? "");
      });
  });

test("a list over gRPC comes in pages when metadata asks for them, and whole when not", async () => {
  const first = await list({ "flintlock-page-size": "2" });
  expect(first.names).toEqual(["web-0", "web-1"]);
  const rest = await list({ "flintlock-page-size": "3", "flintlock-page-token": first.next });
  expect(rest).toEqual({ names: ["web-2", "web-3", "web-4"], next: "" });
  expect((await list({})).names).toHaveLength(5);
  expect((await list({ "flintlock-states": "failed" })).names).toEqual([]);
  await expect(list({ "flintlock-page-size": "1001" })).rejects.toMatchObject({ code: 3 });
});

test("over HTTP the same goes by Grpc-Metadata headers, both ways", async () => {
  const url = `${fixture.httpUrl}/v1alpha1/microvm/shop`;
  const first = await fetch(url, { headers: { "Grpc-Metadata-Flintlock-Page-Size": "4" } });
  const token = first.headers.get("grpc-metadata-flintlock-next-page-token") ?? "";
  expect(((await first.json()) as { microvm: unknown[] }).microvm).toHaveLength(4);
  const second = await fetch(url, {
    headers: { "Grpc-Metadata-Flintlock-Page-Size": "4", "Grpc-Metadata-Flintlock-Page-Token": token },
  });
  expect(((await second.json()) as { microvm: unknown[] }).microvm).toHaveLength(1);
  expect(second.headers.get("grpc-metadata-flintlock-next-page-token")).toBe(null);
});

test("flintlock.v1 pages by fields", async () => {
  const page = await fetch(`${fixture.httpUrl}/v1/microvms?pageSize=2`);
  const { microvms, nextPageToken } = (await page.json()) as { microvms: unknown[]; nextPageToken: string };
  expect([microvms.length, nextPageToken]).toEqual([2, "01JD0000000000000000000001"]);
});

test("Idempotency-Key reaches the core", async () => {
  await fetch(`${fixture.httpUrl}/v1alpha1/microvm`, {
    method: "POST",
    headers: { "Idempotency-Key": "r-1", "Content-Type": "application/json" },
    body: JSON.stringify({ id: "x", namespace: "shop" }),
  });
  expect(fixture.core.created.at(-1)).toMatchObject({ id: "x", requestId: "r-1" });
});
