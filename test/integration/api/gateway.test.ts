/** What grpc-gateway v2.24 answered to the same requests, in front of the same gRPC server; but 405 for its 501. */
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Fixture, startFixture } from "./fixture.ts";

const STREAM = "/microvm.services.api.v1alpha1.MicroVM/ListMicroVMsStream";
const FORM = { "Content-Type": "application/x-www-form-urlencoded" };

let f: Fixture;
beforeAll(async () => {
  f = await startFixture(2);
});
afterAll(() => f[Symbol.asyncDispose]());

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Sends path and headers as they are, which fetch does not. */
const send = (
  method: string,
  path: string,
  { headers = {}, body = "" }: { readonly headers?: Record<string, string>; readonly body?: string } = {},
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(f.httpUrl);
    const length = body === "" ? {} : { "Content-Length": Buffer.byteLength(body) };
    const options = { hostname, port, method, path, headers: { ...headers, ...length }, agent: false };
    const request = httpRequest(options, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
    });
    request.on("error", reject);
    request.end(body);
  });

const statusOf = async (...args: Parameters<typeof send>): Promise<number> => (await send(...args)).status;
const idsOf = ({ text }: Answer): unknown =>
  JSON.parse(text).microvm.map(({ spec }: { spec: { id: string } }) => spec.id);

test("an encoded slash is a slash, and any other encoded character itself", async () => {
  expect(idsOf(await send("GET", "/v1alpha1%2Fmicrovm/sh%6Fp"))).toEqual(["web-0", "web-1"]);
  expect(await statusOf("GET", "/v1alpha1/microvm/a%2Fb")).toBe(404);
  expect(await statusOf("GET", "/v1/microvms/web-0%3Await?condition=running")).toBe(200);
  expect(idsOf(await send("GET", `${f.httpUrl}/v1alpha1/microvm/shop`))).toEqual(["web-0", "web-1"]);
});

test("paths that are close to one are not one", async () => {
  for (const path of ["//v1alpha1/microvm/shop", "/v1alpha1/./microvm/shop", "/v1alpha1/microvm/shop/"]) {
    expect([path, await statusOf("GET", path)]).toEqual([path, 404]);
  }
});

test("a known path says which methods it takes, to any other, also to HEAD and OPTIONS", async () => {
  for (const [method, path, allow] of [
    ["PUT", "/v1alpha1/microvm/shop", "DELETE, GET"],
    ["TRACE", "/v1alpha1/microvm/shop", "DELETE, GET"],
    ["OPTIONS", "/v1alpha1/microvm/shop", "DELETE, GET"],
    ["GET", "/v1alpha1/microvm", "POST"],
    ["GET", STREAM, "POST"],
    ["PUT", "/v1/images", "DELETE, GET"],
    ["DELETE", "/v1/images:prune", "POST"],
    ["PUT", "/v1/microvms/web-0:wait", "GET"],
  ] as const) {
    const { status, headers, text } = await send(method, path);
    expect([path, status, headers["allow"], JSON.parse(text).code]).toEqual([path, 405, allow, 12]);
  }
  expect(await statusOf("HEAD", "/v1alpha1/microvm/shop")).toBe(405);
  expect(await statusOf("OPTIONS", "*")).toBe(200);
});

test("a posted form stands for a GET, or for what the override says", async () => {
  const path = "/v1alpha1/microvm/shop";
  expect(idsOf(await send("POST", path, { headers: FORM, body: "name=web-0" }))).toEqual(["web-0"]);
  const override = (verb: string) => ({ headers: { ...FORM, "X-HTTP-Method-Override": verb } });
  expect(idsOf(await send("POST", path, { ...override("get"), body: "name=web-1" }))).toEqual(["web-1"]);
  expect(await statusOf("POST", "/v1alpha1/microvm/nobody", override("DELETE"))).toBe(404);
  expect(await statusOf("POST", path, override("PUT"))).toBe(405);
  const charset = { "Content-Type": `${FORM["Content-Type"]}; charset=utf-8` };
  expect(await statusOf("POST", path, { headers: charset, body: "name=web-0" })).toBe(405);
  expect(await statusOf("POST", path, { headers: { "X-HTTP-Method-Override": "GET" } })).toBe(405);
  expect(await statusOf("POST", path, { headers: FORM, body: "name=%zz" })).toBe(400);
});

test("a query that Go cannot parse is refused where there is a field for it, and else not read", async () => {
  for (const query of ["name=%zz", "name=a;b", "nobody=%zz"]) {
    expect([query, await statusOf("GET", `/v1alpha1/microvm/shop?${query}`)]).toEqual([query, 400]);
  }
  expect(await statusOf("DELETE", "/v1alpha1/microvm/nobody?a=%zz")).toBe(404);
  expect(await statusOf("GET", "/v1alpha1/microvm/shop?namespace=other&nobody=1")).toBe(200);
});

test("an answer carries the inner call's content type, a refusal does not", async () => {
  const ok = await send("GET", "/v1alpha1/microvm/shop");
  expect(ok.headers).toMatchObject({
    "content-type": "application/json",
    "grpc-metadata-content-type": "application/grpc",
  });
  const refused = await send("DELETE", "/v1alpha1/microvm/nobody");
  expect(refused.headers["content-type"]).toBe("application/json");
  expect(refused.headers["grpc-metadata-content-type"]).toBeUndefined();
});

test("a client that takes trailers gets chunks", async () => {
  const headers = { TE: "trailers" };
  for (const path of ["/v1/host", "/v1/microvms/nobody", "/nowhere"]) {
    const answer = await send("GET", path, { headers });
    expect([path, answer.headers["transfer-encoding"]]).toEqual([path, "chunked"]);
    expect(answer.headers["content-length"]).toBeUndefined();
    JSON.parse(answer.text);
  }
});

test("what cannot be decoded before a stream is an error of its own, what the handler refuses a line", async () => {
  const undecodable = await send("POST", STREAM, { body: '{"namespace":1}' });
  expect([undecodable.status, JSON.parse(undecodable.text).code]).toEqual([400, 3]);
  const refused = await send("POST", STREAM, { body: "{}" });
  expect([refused.status, JSON.parse(refused.text).error.code]).toEqual([400, 3]);
  expect(refused.headers["transfer-encoding"]).toBe("chunked");
});

test("binary metadata has to be base64", async () => {
  const withBinary = (value: string) => ({ headers: { "Grpc-Metadata-X-Bin": value } });
  expect(await statusOf("GET", "/v1/host", withBinary("!!"))).toBe(400);
  expect(await statusOf("GET", "/v1/host", withBinary("YQ"))).toBe(200);
});
