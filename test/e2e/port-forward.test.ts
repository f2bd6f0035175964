/** `flintlock port-forward` to servers on a real guest's loopback. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CLI, TestDaemon } from "../support/daemon.ts";

const SOON = { timeout: 30_000, interval: 200 };
const ECHO = "nc -ll -p 7777 -e /bin/cat";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  const made = await daemon.flintlock([
    "create",
    "--name",
    "echo",
    "flintlock.local/busybox:latest",
    "sh",
    "-c",
    ECHO,
  ]);
  expect(made.code, made.stderr).toBe(0);
});
afterAll(() => daemon[Symbol.asyncDispose]());

/** Sends all, half-closes, and takes what comes back. */
const exchange = async (port: number, bytes: Buffer): Promise<Buffer> => {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.end(bytes);
  return buffer(socket);
};

test("20 connections at once come back as they were, and a refused port is told and no end", async () => {
  const args = [CLI, "-H", `unix://${daemon.socket}`, "port-forward", "echo", ":7777", ":9"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let told = "";
  let errors = "";
  child.stdout.on("data", (text) => (told += text));
  child.stderr.on("data", (text) => (errors += text));
  try {
    const ports = () => [...told.matchAll(/127\.0\.0\.1:(\d+) -> /g)].map(([, port]) => Number(port));
    await expect.poll(() => ports().length, SOON).toBe(2);
    const [echo = 0, refused = 0] = ports();
    await expect.poll(async () => (await exchange(echo, Buffer.from("x"))).toString(), SOON).toBe("x");
    await exchange(refused, Buffer.from("x")).catch(() => undefined);
    await expect.poll(() => errors, SOON).toContain("port 9: Connection refused");
    const payloads = Array.from({ length: 20 }, () => randomBytes(1_000_000));
    const back = await Promise.all(payloads.map((bytes) => exchange(echo, bytes)));
    expect(back.map((bytes, index) => bytes.equals(payloads[index] ?? Buffer.of()))).toEqual(
      payloads.map(() => true),
    );
  } finally {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGINT");
    await ended;
  }
});

test("with --stdio, one connection is our stdin and stdout, and ends with it", async () => {
  const bytes = randomBytes(1_000_000).toString("base64");
  const echoed = await daemon.flintlock(["port-forward", "--stdio", "echo", "7777"], { stdin: bytes });
  expect([echoed.code, echoed.stderr, echoed.stdout === bytes]).toEqual([0, "", true]);
  const refused = await daemon.flintlock(["port-forward", "--stdio", "echo", "9"], { stdin: "" });
  expect(refused).toMatchObject({ code: 7, stderr: expect.stringContaining("Connection refused") });
  expect((await daemon.flintlock(["port-forward", "--stdio", "echo", "1", "2"])).code).toBe(2);
});

test("ports that are none are refused", async () => {
  for (const port of ["0", "65536", "x", "1:2:3"]) {
    expect((await daemon.flintlock(["port-forward", "echo", port])).code).toBe(2);
  }
});
