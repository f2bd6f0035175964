import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { connect as dial, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ByteStream, type MachineRef, silentLog, type Uid } from "@flintlock/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type AgentSockets, createAgentSockets } from "./agent-sockets.ts";

const never = new AbortController().signal;
const REF: MachineRef = { uid: "01JD0000000000000000000001" as Uid, directory: "/unused" };

/** A guest whose ports echo, with the client's end as theirs; what the host asked for is kept. */
const echoGuest = () => {
  const ports: number[] = [];
  let isStuck = false;
  let isStalled = false;
  let closed = 0;
  let held = 0;
  const connect = async (_ref: MachineRef, port: number): Promise<ByteStream> => {
    ports.push(port);
    const queue: Uint8Array[] = [];
    let isEnded = false;
    let isClosed = false;
    let wake = (): void => undefined;
    return {
      bytes: (async function* () {
        for (;;) {
          const next = queue.shift();
          if (next !== undefined) yield next;
          else if (isEnded) return;
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      })(),
      write: async (bytes) => {
        held += bytes.length;
        if (isStuck) await new Promise(() => undefined);
        queue.push(bytes);
        wake();
      },
      end: async () => {
        isEnded = !isStalled;
        wake();
      },
      [Symbol.asyncDispose]: async () => {
        closed += isClosed ? 0 : 1;
        isClosed = true;
        isEnded = true;
        wake();
      },
    };
  };
  return {
    connect,
    ports,
    closed: () => closed,
    held: () => held,
    /** Takes nothing more. */
    stick: () => {
      isStuck = true;
    },
    /** Does not end when its client does. */
    stall: () => {
      isStalled = true;
    },
  };
};

let root: string;
let guest: ReturnType<typeof echoGuest>;
let sockets: AgentSockets;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "agent-sockets-"));
  guest = echoGuest();
  sockets = createAgentSockets({ directory: join(root, "vsock"), connect: guest.connect, log: silentLog });
});
afterEach(async () => {
  await sockets.end();
  await rm(root, { recursive: true });
});

/** What comes back until the other side's end. */
const talk = (path: string, text: string, halfCloses = true): Promise<string> =>
  new Promise((resolve, reject) => {
    const client = dial({ path, allowHalfOpen: true });
    let seen = "";
    client.on("data", (chunk: Buffer) => {
      seen += chunk.toString("latin1");
    });
    client.on("end", () => client.end());
    client.on("close", () => resolve(seen));
    client.on("error", (error: NodeJS.ErrnoException) =>
      error.code === "ECONNRESET" || error.code === "EPIPE" ? resolve(seen) : reject(error),
    );
    if (halfCloses) client.end(text);
    else client.write(text);
  });

test("the handshake is Firecracker's, and then bytes and ends go both ways", async () => {
  const path = await sockets.open(REF, never);
  expect(path).toBe(join(root, "vsock/01JD0000000000000000000001.sock"));
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(join(root, "vsock"))).mode & 0o777).toBe(0o700);
  expect(await talk(path, "CONNECT 1025\nhello")).toMatch(/^OK \d+\nhello$/);
  expect(await talk(path, "connect  1024\r\n")).toMatch(/^OK \d+\n$/);
  expect(guest.ports).toEqual([1025, 1024]);
  await expect.poll(guest.closed).toBe(2);
});

test("a client of the control port that sends no more is gone, and takes its command along", async () => {
  const path = await sockets.open(REF, never);
  const client = dial({ path, allowHalfOpen: true });
  const closed = new Promise((resolve) => client.once("close", resolve));
  client.resume();
  client.write("CONNECT 1024\nhello");
  await expect.poll(guest.held).toBe(5);
  guest.stall();
  client.end();
  await closed;
  expect(guest.closed()).toBe(1);
});

test("a line that comes in single bytes is one line", async () => {
  const path = await sockets.open(REF, never);
  const client = dial(path);
  let seen = "";
  client.on("data", (chunk) => {
    seen += chunk.toString();
  });
  for (const byte of "CONNECT 1024\nx") {
    client.write(byte);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await expect.poll(() => seen).toMatch(/^OK \d+\nx$/);
  client.destroy();
  await expect.poll(guest.closed).toBe(1);
});

test.each([
  ["a port that no agent serves", "CONNECT 22\n"],
  ["no port", "CONNECT\n"],
  ["something else", "GET / HTTP/1.1\n"],
  ["an endless line", `CONNECT ${"1".repeat(100)}`],
  ["zeros", "\0".repeat(100)],
])("%s ends the connection without a word", async (_, text) => {
  expect(await talk(await sockets.open(REF, never), text, false)).toBe("");
  expect(guest.ports).toEqual([]);
});

test("a client that goes before it has said where to leaves nothing", async () => {
  expect(await talk(await sockets.open(REF, never), "CONN")).toBe("");
});

test("a guest that does not read holds its client back", async () => {
  guest.stick();
  const path = await sockets.open(REF, never);
  const client: Socket = dial(path);
  client.write("CONNECT 1024\n");
  const chunk = Buffer.alloc(64 * 1024);
  let sent = 0;
  const pump = (): void => {
    while (sent < 64 * 1024 * 1024) {
      sent += chunk.length;
      if (!client.write(chunk)) return;
    }
  };
  client.on("drain", pump);
  pump();
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(guest.held()).toBeLessThan(1024 * 1024);
  expect(sent).toBeLessThan(16 * 1024 * 1024);
  client.destroy();
});

test("what is there is observed: absent, stale after a daemon died, open, and absent again", async () => {
  expect(await sockets.observe(REF)).toBe("absent");
  const path = await sockets.open(REF, never);
  expect(await sockets.observe(REF)).toBe("open");
  const heir = createAgentSockets({ directory: join(root, "vsock"), connect: guest.connect, log: silentLog });
  expect(await heir.observe(REF)).toBe("stale");
  expect(await heir.open(REF, never)).toBe(path);
  expect(await talk(path, "CONNECT 1024\nto the heir")).toContain("to the heir");
  await heir.close(REF);
  expect(await heir.observe(REF)).toBe("absent");
  await heir.close(REF);
  await heir.end();
});

test("closing cuts those who are connected, and the end removes every socket", async () => {
  const path = await sockets.open(REF, never);
  const cut = talk(path, "CONNECT 1024\n", false);
  await expect.poll(() => guest.ports.length).toBe(1);
  await sockets.close(REF);
  expect(await cut).toMatch(/^OK \d+\n$/);
  await expect.poll(guest.closed).toBe(1);
  await sockets.open(REF, never);
  await sockets.end();
  expect(await sockets.observe(REF)).toBe("absent");
});

test("a socket that somebody removed is made again", async () => {
  const path = await sockets.open(REF, never);
  await rm(path);
  expect(await sockets.observe(REF)).toBe("absent");
  await sockets.open(REF, never);
  expect(await talk(path, "CONNECT 1024\nx")).toContain("x");
});

test("a file of another kind is left alone, and a path too long for a socket is refused by name", async () => {
  await mkdir(join(root, "vsock"));
  await writeFile(join(root, "vsock/01JD0000000000000000000001.sock"), "precious");
  await expect(sockets.open(REF, never)).rejects.toMatchObject({ code: "failed_precondition" });
  const deep = createAgentSockets({
    directory: join(root, "x".repeat(80)),
    connect: guest.connect,
    log: silentLog,
  });
  await expect(deep.open(REF, never)).rejects.toMatchObject({
    code: "unsupported",
    hint: expect.stringContaining("--state-dir"),
  });
});

test("clients beyond the agent's own number are turned away", async () => {
  const path = await sockets.open(REF, never);
  const clients = Array.from({ length: 70 }, () => dial(path));
  let refused = 0;
  for (const client of clients) {
    client.on("error", () => undefined);
    client.on("close", () => {
      refused += 1;
    });
  }
  await expect.poll(() => refused).toBe(6);
  for (const client of clients) client.destroy();
});
