import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { FlintlockError } from "@flintlock/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Fixture, startFixture, unixHttp, until } from "./fixture.ts";

const UID = "01JD0000000000000000000000";
const STREAM = "/microvm.services.api.v1alpha1.MicroVM/ListMicroVMsStream";

let f: Fixture;
beforeAll(async () => {
  f = await startFixture(2, { headersTimeoutMs: 500, sniffTimeoutMs: 500 });
});
afterAll(() => f[Symbol.asyncDispose]());

const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const response = await fetch(f.httpUrl + path, {
    method,
    headers,
    ...(body === undefined ? {} : { body: text }),
  });
  const content = await response.text();
  return { status: response.status, headers: response.headers, text: content };
};
const callJson = async (...args: Parameters<typeof call>) => {
  const { status, text } = await call(...args);
  return { status, json: JSON.parse(text) };
};

/** Sends bytes as they are and returns what came back until the server closes. */
const raw = (bytes: string, socketPath?: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(f.httpUrl);
    const socket = socketPath === undefined ? connect(Number(port), hostname) : connect(socketPath);
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.on("close", () => resolve(text));
    socket.on("error", reject);
    socket.write(bytes);
  });

describe("v1alpha1 over HTTP", () => {
  test("create takes the spec itself, in either spelling, and drops what it does not know", async () => {
    const { status, json } = await callJson("POST", "/v1alpha1/microvm", {
      id: "h",
      memory_in_mb: 2048,
      rootVolume: { id: "root", source: { containerSource: "registry.test/os:1" } },
      nobody: { knows: [1] },
      interfaces: [{ device_id: "eth1", type: "TAP" }],
    });
    expect(status).toBe(200);
    expect(json.microvm.spec.id).toBe("h");
    expect(f.core.created.at(-1)).toMatchObject({ memoryInMb: 2048, interfaces: [{ type: 1 }] });
  });

  test("the JSON has every field that grpc-gateway would send, null for unset messages", async () => {
    const { json } = await callJson("GET", `/v1alpha1/microvm/${UID}`);
    expect(json.microvm).toMatchObject({
      version: 3,
      spec: {
        uid: UID,
        memoryInMb: 1024,
        kernel: { filename: "boot/vmlinux", addNetworkConfig: true },
        createdAt: "2023-11-14T22:13:20.123Z",
        deletedAt: null,
        rootVolume: { partitionId: "", sizeInMb: 2048, source: { containerSource: "registry.test/os:1" } },
        interfaces: [
          { type: "TAP", address: { gateway: "10.0.0.1/24" }, overrides: { bridgeName: "br0" } },
          { type: "MACVTAP", guestMac: "" },
        ],
      },
      status: {
        state: "CREATED",
        initrdMount: null,
        vsockPath: "/state/vsock/01JD0000000000000000000001.sock",
        volumes: { root: { mount: { type: "DEV" } } },
      },
    });
    expect("address" in json.microvm.spec.interfaces[1]).toBe(false);
  });

  test("one segment is a uid when there is such a microVM, and else a namespace", async () => {
    expect((await callJson("GET", `/v1alpha1/microvm/${UID}`)).json.microvm.spec.uid).toBe(UID);
    const unknown = UID.replace("JD", "JX");
    expect(await callJson("GET", `/v1alpha1/microvm/${unknown}`)).toEqual({
      status: 200,
      json: { microvm: [] },
    });
    expect((await callJson("GET", "/v1alpha1/microvm/shop?name=web-1")).json.microvm).toHaveLength(1);
    expect((await callJson("GET", "/v1alpha1/microvm/")).json.microvm.length).toBeGreaterThanOrEqual(2);
  });

  test("delete answers an empty object, and then not found", async () => {
    const { json } = await callJson("POST", "/v1alpha1/microvm", { id: "gone" });
    const path = `/v1alpha1/microvm/${json.microvm.spec.uid}`;
    expect(await callJson("DELETE", path)).toEqual({ status: 200, json: {} });
    const again = await callJson("DELETE", path);
    expect(again.status).toBe(404);
    expect(again.json).toMatchObject({ code: 5, message: expect.stringContaining("not found") });
    expect((await callJson("DELETE", "/v1alpha1/microvm/")).json.message).toBe("invalid request");
  });

  test("the unbound stream sends a line per microVM, or an error line", async () => {
    const { status, text } = await call("POST", STREAM, { namespace: "shop" });
    expect(status).toBe(200);
    const lines = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).result.microvm.spec.id);
    expect(lines).toEqual(["web-0", "web-1"]);
    const refused = await callJson("POST", STREAM, {});
    expect(refused.status).toBe(400);
    expect(refused.json.error).toMatchObject({ code: 3, message: "invalid request" });
  });
});

describe("our services over HTTP", () => {
  test("each declared route answers", async () => {
    expect((await callJson("GET", "/v1/microvms/web-0")).json.microvm.spec.id).toBe("web-0");
    expect(
      (await callJson("GET", "/v1/microvms?labels[tier]=front&namespace=shop")).json.microvms,
    ).toHaveLength(2);
    expect((await callJson("GET", "/v1/microvms?labels[tier]=back")).json.microvms).toHaveLength(0);
    expect((await callJson("GET", "/v1/microvms/web-0:wait?condition=running")).json.result.state).toBe(
      "RUNNING",
    );
    expect((await call("GET", "/v1/microvms/web-0/logs?tail=2")).text.trim().split("\n")).toHaveLength(2);
    expect((await callJson("GET", "/v1/images")).json.images[0]).toMatchObject({
      sizeBytes: "5000000000",
      usedBy: ["shop/web"],
    });
    expect((await callJson("GET", "/v1/images:inspect?reference=a:1")).json.reference).toBe("a:1");
    expect((await callJson("POST", "/v1/images:prune", {})).json).toEqual({ freedBytes: String(2 ** 40) });
    expect(
      (await call("POST", "/v1/images:pull", { reference: "a:1" })).text.trim().split("\n"),
    ).toHaveLength(2);
    expect((await callJson("GET", "/v1/host")).json).toMatchObject({ pid: 42, accelerator: "tcg" });
    expect((await callJson("GET", "/v1/host:check")).json.result).toMatchObject({ name: "kvm", ms: 0.5 });
  });

  test("an error carries field, reason and hint as details", async () => {
    const { status, json } = await callJson("DELETE", "/v1/images?reference=a:1");
    expect(status).toBe(400);
    expect(json.details).toEqual([
      {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        reason: "failed_precondition",
        domain: "flintlock",
        metadata: { hint: "Delete shop/web first." },
      },
    ]);
    const refused = await callJson("POST", "/v1alpha1/microvm", { id: "a", vcpu: 99 });
    expect(refused.json.details[0]).toMatchObject({ fieldViolations: [{ field: "vcpu" }] });
  });
});

describe("what is not right", () => {
  test("routing errors are grpc-gateway's, but for the status of a wrong method", async () => {
    expect(await callJson("GET", "/nowhere")).toEqual({
      status: 404,
      json: { code: 5, message: "Not Found", details: [] },
    });
    expect(await callJson("PUT", "/v1alpha1/microvm", {})).toEqual({
      status: 405,
      json: { code: 12, message: "Method Not Allowed", details: [] },
    });
    expect((await callJson("GET", "/v1alpha1/microvm/%zz")).status).toBe(400);
  });

  test("bodies that are not what they should be are 400, and name the field where it is known", async () => {
    for (const body of [
      "{",
      "[]",
      "3",
      '"x"',
      "null",
      "{} {}",
      '{"id":"a","id":"b"}',
      "\ufeff{}",
      '{"vcpu":"many"}',
      '{"rootVolume":[]}',
      "\u0000",
    ]) {
      expect([body, (await callJson("POST", "/v1alpha1/microvm", body)).status]).toEqual([body, 400]);
    }
    for (const vcpu of [2 ** 31, -(2 ** 40), 1.5, 1e300]) {
      const { status, json } = await callJson("POST", "/v1alpha1/microvm", { vcpu });
      expect(status).toBe(400);
      expect(json.details[0]).toMatchObject({ fieldViolations: [{ field: "vcpu" }] });
    }
    for (const body of ["", " \n"]) {
      const { json } = await callJson("POST", "/v1alpha1/microvm", body);
      expect(json.message).toBe("invalid create microvm request: MicroVMSpec required");
    }
    const deep = `{"x":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
    expect((await callJson("POST", "/v1alpha1/microvm", deep)).status).toBe(400);
    expect((await callJson("GET", "/v1/microvms/web-0/logs?tail=-1")).status).toBe(400);
    expect((await callJson("GET", "/v1/microvms/web-0/logs?follow=maybe")).status).toBe(400);
  });

  test("a body over 4 MiB is 413, whether announced or not", async () => {
    const big = "x".repeat(5 * 1024 * 1024);
    expect((await callJson("POST", "/v1alpha1/microvm", big)).status).toBe(413);
    const chunked = new ReadableStream({
      start(controller) {
        for (let n = 0; n < 80; n += 1) controller.enqueue(Buffer.alloc(64 * 1024, "x"));
        controller.close();
      },
    });
    const options = { method: "POST", body: chunked, duplex: "half" } as RequestInit;
    expect((await fetch(`${f.httpUrl}/v1alpha1/microvm`, options)).status).toBe(413);
  });

  test("headers over 16 KiB are 431, and slow ones 408", async () => {
    expect(await raw(`GET /v1/host HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(20_000)}\r\n\r\n`)).toContain(
      " 431 ",
    );
    for (const socketPath of [undefined, f.socketPath]) {
      expect(await raw("GET /v1/host HTTP/1.1\r\nHost: x\r\n", socketPath)).toContain(" 408 ");
    }
  });

  test("a client of the Unix socket that says nothing, or half of it, is dropped", async () => {
    expect(await raw("", f.socketPath)).toBe("");
    expect(await raw("PR", f.socketPath)).toBe("");
  });

  test("a page of another site is refused", async () => {
    const { status } = await call(
      "POST",
      "/v1alpha1/microvm",
      { id: "evil" },
      { Origin: "http://evil.test" },
    );
    expect(status).toBe(403);
    expect((await call("GET", "/v1/host", undefined, { Origin: f.httpUrl })).status).toBe(200);
  });

  test("an internal error is 500 without the host's words", async () => {
    f.core.broken.error = new Error("ENOENT: /secret/host/path");
    const { status, text } = await call("GET", "/v1alpha1/microvm/shop");
    f.core.broken.error = new FlintlockError("unauthenticated", "who\r\nare you ü");
    const unauthenticated = await call("GET", "/v1alpha1/microvm/shop");
    f.core.broken.error = undefined;
    expect(status).toBe(500);
    expect(text).not.toContain("secret");
    expect(unauthenticated.status).toBe(401);
    expect(unauthenticated.headers.get("www-authenticate")).toBe("who??are you ?");
  });
});

describe("streams over HTTP", () => {
  test("a client that goes ends the core's stream", async () => {
    const before = f.core.ended.count;
    const controller = new AbortController();
    const url = `${f.httpUrl}/v1/microvms/web-0/logs?follow=true`;
    const response = await fetch(url, { signal: controller.signal });
    await response.body?.getReader().read();
    controller.abort();
    await until(() => f.core.ended.count === before + 1, "the logs end");
  });

  test("a slow reader holds the core back", async () => {
    const controller = new AbortController();
    const url = `${f.httpUrl}/v1/microvms/web-0/logs?tail=200000`;
    await fetch(url, { signal: controller.signal });
    await sleep(300);
    const used = process.memoryUsage();
    controller.abort();
    expect(used.arrayBuffers + used.external).toBeLessThan(150 * 1024 * 1024);
  });

  test("grpc-timeout ends a call with 504, and a bad one is 400", async () => {
    const url = "/v1/microvms/web-0:wait?condition=deleted";
    const { text } = await call("GET", url, undefined, { "Grpc-Timeout": "100m" });
    expect(JSON.parse(text.trim().split("\n").at(-1) ?? "").error.code).toBe(4);
    expect((await call("GET", "/v1/host", undefined, { "Grpc-Timeout": "soon" })).status).toBe(400);
  });
});

test("the Unix socket speaks HTTP too, even a byte at a time", async () => {
  const { status, text } = await unixHttp(f.socketPath, "GET", "/v1/host");
  expect([status, JSON.parse(text).pid]).toEqual([200, 42]);
  const created = await unixHttp(f.socketPath, "POST", "/v1alpha1/microvm", JSON.stringify({ id: "u" }));
  expect(JSON.parse(created.text).microvm.spec.id).toBe("u");
  const answer = await new Promise<string>((resolve) => {
    const socket = connect(f.socketPath);
    let all = "";
    socket.on("data", (chunk) => {
      all += chunk;
    });
    socket.on("close", () => resolve(all));
    const bytes = [..."PUT /v1/host HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"];
    const next = (): void => {
      const byte = bytes.shift();
      if (byte === undefined) return;
      socket.write(byte);
      setImmediate(next);
    };
    next();
  });
  expect(answer).toContain(" 405 ");
});
