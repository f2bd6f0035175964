import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { connectIn } from "./directory-socket.ts";

const never = new AbortController().signal;

test("a socket is reached in a directory whose path is longer than a socket address", async () => {
  const root = await mkdtemp(join(tmpdir(), "directory-socket-"));
  const directory = join(root, "d".repeat(120), "e".repeat(120));
  await mkdir(directory, { recursive: true });
  const home = process.cwd();
  const server = createServer((socket) => socket.end("hello"));
  try {
    process.chdir(directory);
    await new Promise<void>((resolve) => server.listen("qmp.sock", resolve));
    process.chdir(home);
    const socket = await connectIn(directory, "qmp.sock", never);
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    expect(text).toBe("hello");
  } finally {
    process.chdir(home);
    server.close();
    await rm(root, { recursive: true });
  }
});

test("no socket, no directory and an aborted signal are told apart", async () => {
  await expect(connectIn(tmpdir(), "no-such.sock", never)).rejects.toMatchObject({ code: "unavailable" });
  const aborted = new AbortController();
  aborted.abort(new Error("stop"));
  await expect(connectIn("/nowhere", "qmp.sock", never)).rejects.toMatchObject({ code: "unavailable" });
  await expect(connectIn(tmpdir(), "no-such.sock", aborted.signal)).rejects.toThrow("stop");
});
