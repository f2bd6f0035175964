import { mkdir, mkdtemp, readlink, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AgentSocket, MachineRef, Uid } from "@flintlock/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createAgentLinks } from "./agent-links.ts";

const signal = new AbortController().signal;
let root: string;
let ref: MachineRef;
let links: AgentSocket;
let server: Server | undefined;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "agent-links-"));
  ref = { uid: "01TEST" as Uid, directory: join(root, "vm") };
  await mkdir(ref.directory);
  links = createAgentLinks({ directory: join(root, "vsock"), socketName: "v.sock" });
});
afterEach(async () => {
  await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  server = undefined;
  await rm(root, { recursive: true });
});

const vmmListens = async (): Promise<void> => {
  server = createServer();
  await new Promise<void>((resolve) => server?.listen(join(ref.directory, "v.sock"), resolve));
};

test("a link to the VMM's socket, which goes stale with it, and is made anew", async () => {
  await vmmListens();
  expect(await links.observe(ref)).toBe("absent");
  const path = await links.open(ref, signal);
  expect(path).toBe(join(root, "vsock/01TEST.sock"));
  expect(await readlink(path)).toBe(join(ref.directory, "v.sock"));
  expect((await stat(join(root, "vsock"))).mode & 0o777).toBe(0o700);
  expect(await links.observe(ref)).toBe("open");
  await rm(join(ref.directory, "v.sock"));
  expect(await links.observe(ref)).toBe("stale");
  expect(await links.open(ref, signal)).toBe(path);
  await links.close(ref);
  await links.close(ref);
  expect(await links.observe(ref)).toBe("absent");
});

test("a link elsewhere, and a file of another provider, are stale and replaced", async () => {
  await vmmListens();
  const elsewhere = createAgentLinks({ directory: join(root, "vsock"), socketName: "other.sock" });
  await elsewhere.open(ref, signal);
  expect(await links.observe(ref)).toBe("stale");
  await links.close(ref);
  await writeFile(join(root, "vsock/01TEST.sock"), "");
  expect(await links.observe(ref)).toBe("stale");
  await links.open(ref, signal);
  expect(await links.observe(ref)).toBe("open");
});

test("a path that no socket address holds is refused", async () => {
  const deep = createAgentLinks({ directory: join(root, "d".repeat(100)), socketName: "v.sock" });
  await expect(deep.open(ref, signal)).rejects.toMatchObject({ code: "unsupported" });
});
