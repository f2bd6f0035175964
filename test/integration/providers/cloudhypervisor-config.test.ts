/** A hundred machines: their VmConfig against Cloud Hypervisor's published documents, and against those that are here. */
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Machine } from "@flintlock/core";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  API_SOCKET,
  BARE_ARGS,
} from "../../../packages/daemon/src/adapters/providers/cloudhypervisor/args.ts";
import { roomOf } from "../../../packages/daemon/src/adapters/providers/cloudhypervisor/room.ts";
import { createVm, vmInfo } from "../../../packages/daemon/src/adapters/providers/cloudhypervisor/vm-api.ts";
import { vmConfig } from "../../../packages/daemon/src/adapters/providers/cloudhypervisor/vm-config.ts";
import { kvmObstacle } from "../../../packages/daemon/src/adapters/providers/shared/kvm-device.ts";
import { askVmm } from "../../../packages/daemon/src/adapters/providers/shared/vmm-api.ts";
import {
  createVmmProcesses,
  type VmmIdentity,
} from "../../../packages/daemon/src/adapters/providers/shared/vmm-process.ts";
import { arbitraryMachine } from "./arbitrary-machines.ts";
import { readPublished, violationsOf } from "./published/check-body.ts";
import { vmmBinaries } from "./vmm-binaries.ts";

const NEVER = new AbortController().signal;
const HOST = { maxVcpu: 254, hostMemoryMib: 16_384 };
const MACHINES = 100;

const filesystem = fc.record({
  volumeId: fc.constant("shared"),
  tag: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,35}$/),
  hostPath: fc.constant("/srv/shared"),
  isReadOnly: fc.boolean(),
});

/** Also with filesystems, MACVTAP links, a seed and a guest of ours; never a balloon as large as the guest. */
const anyMachine: fc.Arbitrary<Machine> = fc
  .record({
    machine: arbitraryMachine({
      directory: "/vm",
      kernelPath: "/vm/vmlinux",
      disks: Array.from({ length: 6 }, (_, index) => `/vm/disk, ${index}.raw`),
      taps: ["tap0", "tap1", "tap2"],
    }),
    vcpu: fc.integer({ min: 1, max: 254 }),
    filesystems: fc.array(filesystem, { maxLength: 3 }),
    hasSeed: fc.boolean(),
    isOurs: fc.boolean(),
    mtu: fc.option(fc.integer({ min: 1280, max: 9000 }), { nil: undefined }),
  })
  .map(({ machine, hasSeed, isOurs, mtu, ...rest }) => ({
    ...machine,
    ...rest,
    ...(hasSeed && { seed: { path: "/vm/seed.img", format: "raw", isReadOnly: true } as const }),
    ...(isOurs && { guest: {} as NonNullable<Machine["guest"]> }),
    balloonMib:
      machine.balloonMib === undefined ? undefined : Math.min(machine.balloonMib, machine.memoryMib - 1),
    interfaces: machine.interfaces.map((iface) => ({
      ...iface,
      hostDevice: iface.hostDevice && { ...iface.hostDevice, mtu },
    })),
  }));

/** Its parser passes over what came later, as the second half of this file sees. */
const known = (tag: string, config: ReturnType<typeof vmConfig>): object =>
  tag === "v53.0" ? config : { ...config, disks: config.disks.map(({ image_type: _, ...disk }) => disk) };

describe.each(["v41.0", "v53.0"])("the published document of %s", (tag) => {
  test(`has the VmConfig of ${MACHINES} machines`, async () => {
    const api = await readPublished(tag, "cloud-hypervisor");
    fc.assert(
      fc.property(anyMachine, (machine) => {
        const config = known(tag, vmConfig(machine, machine.initrdPath, roomOf(machine, HOST)));
        expect(violationsOf(api, "PUT", "/api/v1/vm.create", JSON.parse(JSON.stringify(config)))).toEqual([]);
      }),
      { numRuns: MACHINES },
    );
  });

  test("refuses what is wrong", async () => {
    const api = await readPublished(tag, "cloud-hypervisor");
    const wrong = (config: object) => violationsOf(api, "PUT", "/api/v1/vm.create", config);
    const payload = { kernel: "/vm/vmlinux" };
    expect(wrong({ payload })).toEqual([]);
    expect(wrong({})).toHaveLength(1);
    expect(wrong({ payload, disks: [{ path: 1 }] })).toHaveLength(1);
    expect(wrong({ payload, net: [{ tap: "tap0", mtu: "big" }] })).toHaveLength(1);
    expect(wrong({ payload, console: { mode: "Teletype" } })).toHaveLength(1);
  });
});

const deviceObstacle = await kvmObstacle();
for (const { name, path, obstacle } of await vmmBinaries("cloud-hypervisor")) {
  // It opens KVM when it starts; a guest need not run for a VM to be made.
  const why = path === undefined ? obstacle : deviceObstacle;
  describe.skipIf(why !== undefined)(why === undefined ? name : `${name}: ${why}`, () => {
    const processes = createVmmProcesses();
    let directory: string;
    let vmm: VmmIdentity;
    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), "flintlock-ch-"));
      await using events = await open(join(directory, "events"), "a");
      const descriptors = [events.fd];
      vmm = await processes.spawn({
        binary: path ?? "",
        args: BARE_ARGS,
        argv0: "vmm",
        directory,
        descriptors,
      });
      while ((await infoOf()) === "deaf") await new Promise((resolve) => setTimeout(resolve, 20));
    });
    afterEach(async () => {
      await processes.terminate(vmm, 5000, NEVER);
      await rm(directory, { recursive: true });
    });
    const infoOf = async () => await vmInfo(directory, NEVER).catch(() => "deaf" as const);

    test(`takes the VmConfig of ${MACHINES} machines`, { timeout: 300_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(anyMachine, async (machine) => {
          expect(await infoOf()).toBeUndefined();
          const config = vmConfig(machine, machine.initrdPath, roomOf(machine, HOST));
          await createVm(directory, config, NEVER);
          const answer = await askVmm(
            directory,
            API_SOCKET,
            { method: "GET", path: "/api/v1/vm.info" },
            NEVER,
          );
          expect(answer).toMatchObject({ state: "Created", config: known("v41.0", config) });
          expect(await infoOf()).toMatchObject({
            state: "Created",
            terminal: expect.stringMatching("/dev/pts/"),
          });
          await askVmm(directory, API_SOCKET, { method: "PUT", path: "/api/v1/vm.delete" }, NEVER);
        }),
        { numRuns: MACHINES },
      );
    });

    test("refuses what is no VmConfig, in its own words", async () => {
      const [machine] = fc.sample(anyMachine, 1) as [Machine];
      const wrong = { ...vmConfig(machine, undefined), cpus: { boot_vcpus: "many", max_vcpus: 1 } };
      await expect(createVm(directory, wrong as never, NEVER)).rejects.toMatchObject({
        code: "provider_failed",
        hint: expect.stringMatching(/many/),
      });
    });
  });
}
