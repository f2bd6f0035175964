import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { deadline } from "../shared/deadline.ts";
import { connectIn } from "../shared/directory-socket.ts";
import { openQmp } from "./qmp.ts";

const never = new AbortController().signal;
const GREETING = '{"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": ["oob"]}}\r\n';
let directory: string;
let serve: (socket: Socket) => void;
const server = createServer((socket) => {
  socket.on("error", () => {});
  serve(socket);
});

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "qmp-"));
  await new Promise<void>((resolve) => server.listen(join(directory, "qmp.sock"), resolve));
});
afterEach(async () => {
  server.close();
  await rm(directory, { recursive: true });
});

const open = async (timeoutMs = 2000, signal = never) =>
  await openQmp(await connectIn(directory, "qmp.sock", never), signal, timeoutMs);

/** Answers each request through `reply`, in QEMU's manner. */
const answering = (reply: (request: { execute: string; id: number }) => unknown) => (socket: Socket) => {
  socket.write(GREETING);
  socket.on("data", (chunk) => {
    for (const line of String(chunk).trim().split("\n")) {
      const request = JSON.parse(line);
      const answer = request.execute === "qmp_capabilities" ? { return: {} } : reply(request);
      socket.write(`${JSON.stringify({ ...(answer as object), id: request.id })}\r\n`);
    }
  });
};

test("a command gets its own answer, with events and strangers' ids between", async () => {
  serve = answering(({ execute }) => ({ return: { command: execute } }));
  const inner = serve;
  serve = (socket) => {
    inner(socket);
    socket.write('{"event":"RESUME","timestamp":{}}\n{"return":{},"id":"other"}\n{"return":1,"id":99}\n');
  };
  await using qmp = await open();
  const answers = await Promise.all([qmp.execute("query-status"), qmp.execute("query-name", { a: 1 })]);
  expect(answers).toEqual([{ command: "query-status" }, { command: "query-name" }]);
});

test("a refusal is the provider's failure, with QEMU's words as cause", async () => {
  serve = answering(() => ({ error: { class: "GenericError", desc: "Duplicate tag" } }));
  await using qmp = await open();
  await expect(qmp.execute("snapshot-save")).rejects.toMatchObject({
    code: "provider_failed",
    cause: { message: "Duplicate tag" },
  });
});

test("silence, garbage, an endless line and a closed socket all end as unavailable", async () => {
  const peers: ((socket: Socket) => void)[] = [
    () => {},
    (socket) => void socket.write("hello\n"),
    (socket) => void socket.write("[1]\n"),
    (socket) => void socket.write("x".repeat(1024 * 1024 + 2)),
    (socket) => void socket.end(),
    (socket) => void socket.destroy(),
  ];
  for (const peer of peers) {
    serve = peer;
    await expect(open(100)).rejects.toMatchObject({ code: "unavailable" });
  }
});

test("a connection lost in the middle fails what waits and what comes after", async () => {
  serve = (socket) => {
    answering(() => {
      setImmediate(() => socket.destroy());
      return {};
    })(socket);
  };
  const inner = serve;
  serve = inner;
  const qmp = await open();
  serve = inner;
  await qmp.execute("first").catch(() => {});
  await expect(qmp.execute("stop")).rejects.toMatchObject({ code: "unavailable" });
});

test("waiting for the greeting can be aborted", async () => {
  serve = () => {};
  await expect(open(5000, deadline(never, 20, "the test").signal)).rejects.toMatchObject({
    code: "canceled",
  });
});
