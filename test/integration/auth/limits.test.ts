/** Rates and failures over real sockets, and what the client is told. */
import { readFile } from "node:fs/promises";
import { wire } from "@flintlock/api";
import { status } from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import { encodeMessage } from "../../../packages/daemon/src/adapters/api/testing/grpc-client.ts";
import { type GuardedApi, startGuardedApi } from "./guarded-api.ts";
import { http, openGrpc } from "./raw-clients.ts";

const TOKEN = "a-token-of-enough-characters";
const credentials = (more: string): string =>
  `tokens: [{ name: ci, role: operator, namespaces: all, token: ${TOKEN} }]\n${more}\n`;

let f: GuardedApi | undefined;
afterEach(async () => {
  await f?.[Symbol.asyncDispose]();
  f = undefined;
});

const LIST = "/microvm.services.api.v1alpha1.MicroVM/ListMicroVMs";
const request = encodeMessage(wire.ListMicroVMsRequestSchema, { namespace: "shop" });

test("a caller over its rate is told when to come back, over both transports, and only it", async () => {
  f = await startGuardedApi(credentials("limits: { requests_per_second: 1, burst: 5 }"), {
    basicAuthToken: "the admin's own",
  });
  const grpc = await openGrpc(f.to("tls", "grpc"));
  const codes = [];
  for (let n = 0; n < 8; n += 1) codes.push((await grpc.call(LIST, request, [`Bearer ${TOKEN}`])).code);
  expect(codes).toEqual([0, 0, 0, 0, 0, 8, 8, 8]);
  const refused = await http(f.to("tls", "http"), {
    line: "GET /v1alpha1/microvm/shop",
    lines: [`Authorization: Bearer ${TOKEN}`],
  });
  expect(refused.status).toBe(429);
  const { message, details } = JSON.parse(refused.body);
  expect(message).toBe("caller ci: more than 1 requests per second");
  const retry = details.find((detail: { readonly "@type": string }) => /RetryInfo/.test(detail["@type"]));
  expect(Number.parseFloat(retry.retryDelay)).toBeGreaterThan(0);
  expect(Number.parseFloat(retry.retryDelay)).toBeLessThanOrEqual(1);
  const other = await grpc.call(LIST, request, ["Bearer the admin's own"]);
  expect(other.code).toBe(status.OK);
  grpc.close();
});

test("a flood of wrong tokens is slowed down, is not written down line by line, and locks nobody out", async () => {
  f = await startGuardedApi(credentials("failures: { requests_per_second: 1, burst: 10 }"));
  const grpc = await openGrpc(f.to("tls", "grpc"));
  const codes = [];
  for (let n = 0; n < 200; n += 1) codes.push((await grpc.call(LIST, request, ["Bearer wrong"])).code);
  expect(codes.slice(0, 10)).toEqual(Array(10).fill(status.UNAUTHENTICATED));
  expect(codes.slice(20).filter((code) => code === status.RESOURCE_EXHAUSTED).length).toBeGreaterThan(170);
  expect((await grpc.call(LIST, request, [`Bearer ${TOKEN}`])).code).toBe(status.OK);
  const lines = (await readFile(f.auditPath, "utf8")).trimEnd().split("\n");
  expect(lines.length).toBeLessThan(25);
  grpc.close();
});
