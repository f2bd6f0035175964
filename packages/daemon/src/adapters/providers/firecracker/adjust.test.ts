import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Machine, Uid } from "@flintlock/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { firecrackerAdjusters } from "./adjust.ts";
import { API_SOCKET } from "./files.ts";

const never = new AbortController().signal;
const identity = { pid: 1, startTime: "", bootId: "" };
const adjusters = firecrackerAdjusters(() => ({ disk: (path) => `inside/${path.split("/").at(-1)}` }));

let directory: string;
let api: Server;
let told: unknown[];
let machine: Machine;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "flintlock-adjust-"));
  told = [];
  api = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    told.push([`${request.method} ${request.url}`, JSON.parse(body)]);
    response.writeHead(204).end();
  });
  await new Promise<void>((done) => api.listen(join(directory, API_SOCKET), done));
  machine = {
    uid: "01TEST" as Uid,
    label: "ns/vm",
    directory,
    vcpu: 1,
    memoryMib: 256,
    kernelPath: "/k",
    initrdPath: undefined,
    cmdline: {},
    disks: [{ volumeId: "my-root", path: join(directory, "root.raw"), format: "raw", isReadOnly: false }],
    interfaces: [{ deviceId: "eth1", mac: "02:00:00:00:00:01", hostDevice: { name: "tap0", kind: "tap" } }],
    ports: [],
    guest: undefined,
  };
});
afterEach(async () => {
  api.close();
  await rm(directory, { recursive: true });
});

const adjust = async (kind: "limits" | "balloonMib" | "diskMib", change: Partial<Machine>) =>
  await adjusters[kind]?.({ ...machine, ...change }, { applied: machine, identity }, never);

test("each volume and interface is told its limits, and 0 for those that are none any more", async () => {
  await adjust("limits", { limits: { diskOpsPerSecond: 7, networkBytesPerSecond: 4096 } });
  const none = { size: 0, refill_time: 0 };
  const oneWay = { bandwidth: { size: 4096, refill_time: 1000 }, ops: none };
  expect(told).toEqual([
    [
      expect.stringMatching(/^PATCH \/drives\/my_root_[0-9a-f]{8}$/),
      {
        drive_id: expect.stringMatching(/^my_root_/),
        rate_limiter: { bandwidth: none, ops: { size: 7, refill_time: 1000 } },
      },
    ],
    [
      "PATCH /network-interfaces/eth1",
      { iface_id: "eth1", rx_rate_limiter: oneWay, tx_rate_limiter: oneWay },
    ],
  ]);
  told = [];
  await adjust("limits", {});
  expect(told).toMatchObject([
    [expect.anything(), { rate_limiter: { bandwidth: none, ops: none } }],
    [expect.anything(), { rx_rate_limiter: { bandwidth: none, ops: none } }],
  ]);
});

test("a disk's file grows by a hole, before the VMM is told where it finds it", async () => {
  const path = join(directory, "root.raw");
  await writeFile(path, "the guest's");
  await adjust("diskMib", { diskMib: { "my-root": 64, other: 128 } });
  const { size, blocks } = await stat(path);
  expect([size, blocks * 512 < 1024 ** 2]).toEqual([64 * 1024 ** 2, true]);
  expect((await readFile(path)).subarray(0, 11).toString()).toBe("the guest's");
  expect(told).toMatchObject([[expect.anything(), { path_on_host: "inside/root.raw" }]]);
  await adjust("diskMib", { diskMib: { "my-root": 32 } });
  expect((await stat(path)).size).toBe(64 * 1024 ** 2);
});

test("the balloon is told its size", async () => {
  await adjust("balloonMib", { balloonMib: 0 });
  expect(told).toEqual([["PATCH /balloon", { amount_mib: 0 }]]);
});
