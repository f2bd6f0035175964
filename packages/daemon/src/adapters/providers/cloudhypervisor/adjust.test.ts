import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Machine, Uid } from "@flintlock/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cloudHypervisorAdjusters as adjusters } from "./adjust.ts";
import { API_SOCKET } from "./args.ts";

const never = new AbortController().signal;
const MIB = 1024 ** 2;

let directory: string;
let api: Server;
let told: unknown[];
let disks: unknown;
let machine: Machine;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "flintlock-adjust-"));
  told = [];
  disks = [{ id: "_disk0" }, { id: "_disk2" }];
  api = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    if (request.method === "GET") return void response.end(JSON.stringify({ config: { disks } }));
    told.push([request.url, JSON.parse(body)]);
    response.writeHead(204).end();
  });
  await new Promise<void>((done) => api.listen(join(directory, API_SOCKET), done));
  const disk = (volumeId: string) =>
    ({ volumeId, path: `/vm/${volumeId}.raw`, format: "raw", isReadOnly: false }) as const;
  machine = {
    uid: "01TEST" as Uid,
    label: "ns/vm",
    directory,
    vcpu: 3,
    memoryMib: 512,
    balloonMib: 64,
    diskMib: { data: 128 },
    kernelPath: "/k",
    initrdPath: undefined,
    cmdline: {},
    disks: [disk("root"), disk("data")],
    interfaces: [],
    ports: [],
    guest: undefined,
  };
});
afterEach(async () => {
  api.close();
  await rm(directory, { recursive: true });
});

const adjust = async (kind: keyof typeof adjusters) =>
  await adjusters[kind]?.(
    machine,
    { applied: machine, identity: { pid: 1, startTime: "", bootId: "" } },
    never,
  );

test("sizes are told in its units, a disk by the name that the VMM gave it", async () => {
  for (const kind of ["vcpu", "memoryMib", "balloonMib", "diskMib"] as const) await adjust(kind);
  expect(told).toEqual([
    ["/api/v1/vm.resize", { desired_vcpus: 3 }],
    ["/api/v1/vm.resize", { desired_ram: 512 * MIB }],
    ["/api/v1/vm.resize", { desired_balloon: 64 * MIB }],
    ["/api/v1/vm.resize-disk", { id: "_disk2", desired_size: 128 * MIB }],
  ]);
});

test("a disk whose name is none of its own is not touched", async () => {
  for (const bad of [undefined, "none", [], [{ id: "_disk0" }, { id: "../x" }]]) {
    disks = bad;
    await expect(adjust("diskMib")).rejects.toMatchObject({ code: "provider_failed" });
  }
  expect(told).toEqual([]);
});
