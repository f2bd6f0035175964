/** A hundred machines: their requests against Firecracker's published document, and against Firecrackers that are here. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Machine } from "@flintlock/core";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { METRICS_FILE } from "../../../packages/daemon/src/adapters/providers/firecracker/files.ts";
import { metadataContent } from "../../../packages/daemon/src/adapters/providers/firecracker/metadata.ts";
import {
  machineRequests,
  type RequestOptions,
  START,
} from "../../../packages/daemon/src/adapters/providers/firecracker/requests.ts";
import { askVmm, type VmmRequest } from "../../../packages/daemon/src/adapters/providers/shared/vmm-api.ts";
import { createVmmProcesses } from "../../../packages/daemon/src/adapters/providers/shared/vmm-process.ts";
import { arbitraryMachine } from "./arbitrary-machines.ts";
import { PUBLISHED, readPublished, violationsOf } from "./published/check-body.ts";
import { vmmPrograms } from "./vmm-binaries.ts";

const run = promisify(execFile);
const NEVER = new AbortController().signal;
const MACHINES = 100;
const LIMIT_BYTES = 51_200;
const DISKS = 6;
const TAPS = ["fcreq0", "fcreq1", "fcreq2"];

const requestsOf = (machine: Machine, hasPci: boolean): readonly VmmRequest[] => {
  const options: RequestOptions = {
    paths: { kernel: machine.kernelPath, initrd: machine.initrdPath, disk: (path) => path },
    hasPci,
    metadata: metadataContent(machine, LIMIT_BYTES),
    metadataVersion: "V1",
    architecture: "x64",
  };
  return machineRequests(machine, options);
};

/** 1.10's document has a text where its program, asked below, takes an object; 1.11 corrected it (#4921). */
const isDescribed = (tag: string, path: string): boolean => tag !== "v1.10.1" || path !== "/cpu-config";

describe.each(PUBLISHED)("the published document of %s", (tag) => {
  test(`has the requests of ${MACHINES} machines`, async () => {
    const api = await readPublished(tag);
    const machines = arbitraryMachine({
      directory: "/vm",
      kernelPath: "/vm/vmlinux",
      disks: Array.from({ length: DISKS }, (_, index) => `/vm/disk${index}.raw`),
      taps: TAPS,
    });
    fc.assert(
      fc.property(machines, fc.boolean(), (machine, hasPci) => {
        const requests = [...requestsOf(machine, hasPci), START].filter(({ path }) => isDescribed(tag, path));
        const wrong = requests.flatMap(({ method, path, body }) => violationsOf(api, method, path, body));
        expect(wrong).toEqual([]);
      }),
      { numRuns: MACHINES },
    );
  });

  test("refuses what is wrong", async () => {
    const api = await readPublished(tag);
    const config = { vcpu_count: 33, mem_size_mib: 128, smt: true, track_dirty_pages: false };
    expect(violationsOf(api, "PUT", "/machine-config", config)).toHaveLength(1);
    expect(violationsOf(api, "PUT", "/machine-config", { ...config, vcpu_count: 1, cores: 1 })).toHaveLength(
      1,
    );
    expect(violationsOf(api, "PUT", "/machine-config", { vcpu_count: 1 })).toHaveLength(1);
    expect(violationsOf(api, "PUT", "/drives/a-b", { drive_id: "a-b", is_root_device: 1 })).toHaveLength(2);
    expect(violationsOf(api, "PUT", "/nothing", {})).toHaveLength(1);
  });
});

/** Configuring needs no KVM; only InstanceStart does. */
for (const { name, path, obstacle: missing } of await vmmPrograms("firecracker")) {
  const obstacle = missing ?? (process.geteuid?.() === 0 ? undefined : "TAPs need root");
  describe.skipIf(obstacle !== undefined)(`${name}${obstacle === undefined ? "" : `: ${obstacle}`}`, () => {
    let root: string;
    beforeAll(async () => {
      root = await mkdtemp(join(tmpdir(), "flintlock-fc-requests-"));
      await writeFile(join(root, "vmlinux"), "not read before the start");
      for (let index = 0; index < DISKS; index++) {
        await writeFile(join(root, `disk${index}.raw`), "");
        await truncate(join(root, `disk${index}.raw`), 1024 * 1024);
      }
      for (const tap of TAPS) await run("ip", ["tuntap", "add", "dev", tap, "mode", "tap"]);
    });
    afterAll(async () => {
      for (const tap of TAPS) await run("ip", ["link", "delete", "dev", tap]);
      await rm(root, { recursive: true });
    });

    test(`takes the requests of ${MACHINES} machines`, { timeout: 300_000 }, async () => {
      const processes = createVmmProcesses();
      const machines = fc.sample(
        arbitraryMachine({
          directory: root,
          kernelPath: join(root, "vmlinux"),
          disks: Array.from({ length: DISKS }, (_, index) => join(root, `disk${index}.raw`)),
          taps: TAPS,
        }),
        { numRuns: MACHINES, seed: 1 },
      );
      let taken = 0;
      for (const [index, machine] of machines.entries()) {
        const directory = join(root, String(index));
        await mkdir(directory);
        await writeFile(join(directory, METRICS_FILE), "");
        const identity = await processes.spawn({
          binary: path ?? name,
          args: ["--id", `01TEST${index}`, "--api-sock", "vmm.sock"],
          directory,
          descriptors: [],
        });
        try {
          await expect
            .poll(
              () => askVmm(directory, "vmm.sock", { method: "GET", path: "/" }, NEVER).catch(() => undefined),
              {
                timeout: 10_000,
              },
            )
            .toMatchObject({ state: "Not started" });
          for (const request of requestsOf(machine, false)) {
            // Rejects with Firecracker's words when it answers anything but success.
            await askVmm(directory, "vmm.sock", request, NEVER);
            taken += 1;
          }
        } finally {
          await processes.terminate(identity, 0, NEVER);
        }
        await rm(directory, { recursive: true });
      }
      console.log(`${name}: ${taken} requests of ${machines.length} machines were accepted`);
      expect(taken).toBeGreaterThan(5 * MACHINES);
    });
  });
}
