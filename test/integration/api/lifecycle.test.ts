import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ext } from "@flintlock/api";
import { silentLog } from "@flintlock/core";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { healthService } from "../../../packages/daemon/src/adapters/api/schema/health.ts";
import { type ApiServer, serveApi } from "../../../packages/daemon/src/adapters/api/server.ts";
import { fakeUseCases } from "../../../packages/daemon/src/adapters/api/testing/fake-use-cases.ts";
import { serverStream, unary } from "../../../packages/daemon/src/adapters/api/testing/grpc-client.ts";
import { startFixture } from "./fixture.ts";
import { plainListeners } from "./listeners.ts";

describe("the Unix socket's path", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "flintlock-api-"));
  });
  afterEach(() => rm(directory, { recursive: true }));
  const serve = (unix: string): Promise<ApiServer> =>
    serveApi({ useCases: () => fakeUseCases(), listeners: plainListeners({ unix }), log: silentLog });

  test("is taken over from a daemon that died", async () => {
    const path = join(directory, "api.sock");
    // A bound socket whose file outlives it: what SIGKILL leaves behind
    const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
    spawnSync(process.execPath, ["-e", script]);
    expect((await stat(path)).isSocket()).toBe(true);
    await (await serve(path)).close(0);
  });

  test("is refused while another daemon answers there, which goes on", async () => {
    const path = join(directory, "api.sock");
    const first = await serve(path);
    await expect(serve(path)).rejects.toMatchObject({ code: "failed_precondition" });
    const probe = connect(path);
    await new Promise((resolve) => probe.once("connect", resolve));
    probe.destroy();
    await first.close(0);
  });

  test("is never taken from a file of another kind", async () => {
    const path = join(directory, "api.sock");
    await writeFile(path, "precious");
    await expect(serve(path)).rejects.toMatchObject({ code: "failed_precondition" });
    expect((await stat(path)).size).toBe(8);
  });

  test("may not be longer than the kernel allows", async () => {
    const long = join(directory, "x".repeat(100));
    await mkdir(long);
    await expect(serve(join(long, "api.sock"))).rejects.toMatchObject({ code: "invalid_spec" });
  });

  test("is given up again when a later listener fails", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as { port: number };
    const path = join(directory, "api.sock");
    const listeners = plainListeners({ unix: path, http: `localhost:${port}` });
    const options = { useCases: () => fakeUseCases(), listeners, log: silentLog };
    await expect(serveApi(options)).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining("already in use"),
    });
    await (await serve(path)).close(0);
    taken.close();
  });
});

describe("a stop", () => {
  test("with nothing open is done at once", async () => {
    await using f = await startFixture();
    await fetch(`${f.httpUrl}/v1/host`);
    await unary(f.grpc, ext.MicroVMs.method.get, { target: "web-0" });
    const start = performance.now();
    await f.api.close(5_000);
    expect(performance.now() - start).toBeLessThan(1_000);
    await expect(fetch(`${f.httpUrl}/v1/host`)).rejects.toThrow();
  });

  test("tells health watchers, lets calls in flight end, and cuts what is left with UNAVAILABLE", async () => {
    await using f = await startFixture();
    const call = serverStream(f.grpc, ext.MicroVMs.method.wait, { target: "web-0", condition: "deleted" });
    const ended = new Promise<ServiceError>((resolve) => call.on("error", resolve));
    await new Promise((resolve) => call.once("data", resolve));
    const watch = f.grpc.makeServerStreamRequest(
      `/${healthService.typeName}/Watch`,
      () => Buffer.alloc(0),
      (bytes: Buffer) => [...bytes],
      {},
    );
    const seen: number[][] = [];
    watch.on("data", (bytes: number[]) => seen.push(bytes));
    const watchEnded = new Promise<ServiceError>((resolve) => watch.on("error", resolve));
    await new Promise((resolve) => watch.once("data", resolve));
    const response = await fetch(`${f.httpUrl}/v1/microvms/web-0/logs?follow=true`);
    const start = performance.now();
    await Promise.all([f.api.close(300), f.api.close(300)]);
    const took = performance.now() - start;
    expect((await ended).code).toBe(status.UNAVAILABLE);
    expect((await watchEnded).code).toBe(status.UNAVAILABLE);
    expect(seen).toEqual([
      [8, 1],
      [8, 2],
    ]);
    expect(await response.text()).toContain(`"code":14`);
    expect(took).toBeGreaterThan(290);
    expect(took).toBeLessThan(2_000);
  });
});

test("health answers for each service, and not found for others", async () => {
  await using f = await startFixture();
  const check = (service: string): Promise<readonly number[]> =>
    new Promise((resolve, reject) => {
      const request = Buffer.from([0x0a, service.length, ...Buffer.from(service)]);
      f.grpc.makeUnaryRequest(
        "/grpc.health.v1.Health/Check",
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => [...bytes],
        request,
        (error, response) => (error ? reject(error) : resolve(response ?? [])),
      );
    });
  expect(await check("")).toEqual([8, 1]);
  expect(await check("microvm.services.api.v1alpha1.MicroVM")).toEqual([8, 1]);
  await expect(check("nobody")).rejects.toMatchObject({ code: status.NOT_FOUND });
});

test("connections beyond the limit are closed, and the others go on", async () => {
  await using f = await startFixture(2, { maxConnections: 3 });
  const { hostname, port } = new URL(f.httpUrl);
  const sockets = Array.from({ length: 10 }, () => connect(Number(port), hostname));
  const closed = await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<boolean>((resolve) => {
          socket.on("error", () => undefined);
          socket.on("close", () => resolve(true));
          setTimeout(() => resolve(false), 300);
        }),
    ),
  );
  expect(closed.filter((isClosed) => !isClosed)).toHaveLength(3);
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect((await fetch(`${f.httpUrl}/v1/host`)).status).toBe(200);
});

test("many streams on one connection are bounded, not fatal", async () => {
  await using f = await startFixture(2, { maxStreamsPerConnection: 8 });
  const client = new Client(`unix:${f.socketPath}`, credentials.createInsecure());
  const calls = Array.from({ length: 50 }, () => unary(client, ext.MicroVMs.method.get, { target: "web-0" }));
  expect(await Promise.all(calls)).toHaveLength(50);
  client.close();
});
