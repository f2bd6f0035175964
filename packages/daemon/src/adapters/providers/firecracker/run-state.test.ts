import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { API_SOCKET } from "./files.ts";
import { isPaused, isStopped, setPaused } from "./run-state.ts";

const signal = new AbortController().signal;
let home: string;
let api: Server;
let vmm: ChildProcess;
let pid: number;
let version: string;
/** Bodies of PATCH /vm */
let told: string[];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "flintlock-run-state-"));
  told = [];
  api = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    if (request.method === "PATCH") told.push(body);
    const state = told.at(-1)?.includes("Paused") === true ? "Paused" : "Running";
    if (request.method === "PATCH") response.writeHead(204).end();
    else response.end(JSON.stringify({ id: "x", state, vmm_version: version }));
  });
  api.listen(join(home, API_SOCKET));
  await once(api, "listening");
  vmm = spawn("sleep", ["60"], { stdio: "ignore" });
  await once(vmm, "spawn");
  pid = vmm.pid ?? 0;
});

afterEach(async () => {
  vmm.kill("SIGKILL");
  api.close();
  await rm(home, { recursive: true });
});

test.each(["1.16.0", "1.16.1"])("%s, whose resume loses the vsock, is stopped as a process", async (name) => {
  version = name;
  await setPaused(home, pid, true, signal);
  await setPaused(home, pid, true, signal);
  expect(await isStopped(pid)).toBe(true);
  api.close(); // A stopped Firecracker answers nobody.
  api.closeAllConnections();
  expect(await isPaused(home, pid)).toBe(true);
  await setPaused(home, pid, false, signal);
  await expect.poll(() => isStopped(pid)).toBe(false);
  expect(told).toEqual([]);
});

test.each(["1.10.1", "1.15.1", "1.16.2", "1.17.0"])(
  "%s is told to stand still, and to go on",
  async (name) => {
    version = name;
    await setPaused(home, pid, true, signal);
    await setPaused(home, pid, true, signal);
    expect([await isPaused(home, pid), await isStopped(pid)]).toEqual([true, false]);
    await setPaused(home, pid, false, signal);
    await setPaused(home, pid, false, signal);
    expect(told).toEqual(['{"state":"Paused"}', '{"state":"Resumed"}']);
    expect(await isPaused(home, pid)).toBe(false);
  },
);
