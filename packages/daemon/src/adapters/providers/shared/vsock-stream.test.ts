import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ByteStream } from "@flintlock/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openVsockStream } from "./vsock-stream.ts";

const never = new AbortController().signal;
let root: string;
let directory: string;
let server: Server | undefined;
const clients = new Set<Socket>();

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "vsock-stream-"));
  directory = root;
});
afterEach(async () => {
  for (const client of clients) client.destroy();
  clients.clear();
  await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  server = undefined;
  await rm(root, { recursive: true });
});

/** A VMM's socket in `directory`; `serve` gets each client with the first bytes it sent. */
const listen = async (serve: (client: Socket, asked: string) => void): Promise<void> => {
  server = createServer({ allowHalfOpen: true }, (client) => {
    clients.add(client);
    client.on("error", () => undefined);
    client.once("data", (asked) => serve(client, String(asked)));
  });
  const home = process.cwd();
  process.chdir(directory);
  try {
    await new Promise<void>((resolve) => server?.listen("v.sock", resolve));
  } finally {
    process.chdir(home);
  }
};

const open = (port = 1024, halfCloses = true, ms?: number): Promise<ByteStream> =>
  openVsockStream({ directory, name: "v.sock", halfCloses }, port, never, ms);

const textOf = async (stream: ByteStream): Promise<string> => {
  let text = "";
  for await (const chunk of stream.bytes) text += Buffer.from(chunk).toString();
  return text;
};

test("bytes both ways behind the handshake, also those glued to it, also in a directory with a long path", async () => {
  directory = join(directory, "d".repeat(120));
  await mkdir(directory);
  await listen((client, asked) => {
    client.write(`OK 1073741824\nasked ${JSON.stringify(asked)}; `);
    let said = "";
    client.on("data", (chunk) => {
      said += String(chunk);
    });
    client.on("end", () => client.end(`said ${said}`));
  });
  const stream = await open(1025);
  await stream.write(Buffer.from("hello"));
  await stream.end();
  expect(await textOf(stream)).toBe('asked "CONNECT 1025\\n"; said hello');
});

test("an answer in pieces is an answer", async () => {
  await listen((client) => {
    for (const [index, word] of [..."OK 1\nx"].entries()) setTimeout(() => client.write(word), index * 5);
    setTimeout(() => client.end(), 60);
  });
  expect(await textOf(await open())).toBe("x");
});

test("where a half close would end both directions, the end is not told", async () => {
  let hasEnded = false;
  await listen((client) => {
    client.on("end", () => {
      hasEnded = true;
    });
    client.write("OK 1\n");
    client.on("data", () => client.end("still here"));
  });
  const stream = await open(1024, false);
  await stream.end();
  await stream.write(Buffer.from("x"));
  expect(await textOf(stream)).toBe("still here");
  expect(hasEnded).toBe(false);
});

test("a port that nobody serves, and no VMM", async () => {
  await listen((client) => client.end());
  await expect(open(7)).rejects.toMatchObject({
    code: "unavailable",
    message: "nobody in the guest serves port 7",
  });
  await expect(
    openVsockStream({ directory, name: "none.sock", halfCloses: true }, 7, never),
  ).rejects.toMatchObject({ code: "unavailable" });
});

test.each([
  "ERR 1\n",
  "OK\n",
  "OK x\n",
  "ok 1\n",
  "OK 12345678901\n",
  "OK 1",
  "\n",
  `OK ${"1".repeat(40)}\n`,
])("the answer %j is refused", async (answer) => {
  await listen((client) => client.end(answer));
  await expect(open()).rejects.toMatchObject({ code: "unavailable" });
});

test("an endless answer is cut, and the socket with it", async () => {
  let closed: Promise<void> | undefined;
  await listen((client) => {
    closed = new Promise((resolve) => client.once("close", () => resolve()));
    const more = (): void => {
      while (!client.destroyed && client.write(Buffer.alloc(65536, "O")));
    };
    client.on("drain", more);
    more();
  });
  await expect(open()).rejects.toMatchObject({ code: "unavailable" });
  await closed;
});

test("no answer ends with the deadline, and with the caller's patience", async () => {
  await listen(() => undefined);
  await expect(open(1024, true, 50)).rejects.toMatchObject({ code: "deadline_exceeded" });
  const aborted = new AbortController();
  const opening = openVsockStream({ directory, name: "v.sock", halfCloses: true }, 1024, aborted.signal);
  setTimeout(() => aborted.abort(new Error("stop")), 50);
  await expect(opening).rejects.toThrow("stop");
});

test("a VMM that dies later is told as unavailable", async () => {
  await listen((client) => {
    client.write("OK 1\n");
    setTimeout(() => client.destroy(), 20);
  });
  const stream = await open();
  await new Promise((resolve) => setTimeout(resolve, 60));
  await expect(stream.write(Buffer.from("x"))).rejects.toMatchObject({ code: "unavailable" });
});
