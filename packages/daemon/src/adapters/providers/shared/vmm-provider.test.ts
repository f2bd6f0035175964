import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Machine, silentLog } from "@flintlock/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { VmmDriver } from "./vmm-driver.ts";
import { createVmmProcesses } from "./vmm-process.ts";
import { createVmmProvider } from "./vmm-provider.ts";

const NEVER = new AbortController().signal;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "flintlock-vmm-"));
});
afterEach(async () => await rm(directory, { recursive: true }));

/** A VMM that is told to execute by a second step, as those are that have an API. */
const twoStepDriver = () => {
  const launched = new Set<number>();
  const spawn = (processes = createVmmProcesses()) =>
    processes.spawn({ binary: "sleep", args: ["60"], directory, descriptors: [] });
  const driver = {
    logs: {},
    adjusters: {},
    marker: () => "60",
    launch: async (_machine, processes) => {
      const identity = await spawn(processes);
      launched.add(identity.pid);
      return identity;
    },
    hasLaunched: async (_ref, { pid }) => launched.has(pid),
    isPaused: async () => false,
    tidy: async () => {},
    endedWell: async () => false,
    close: async () => {},
  } satisfies Partial<VmmDriver>;
  return { spawn, driver: driver as Partial<VmmDriver> as VmmDriver };
};

test("a guest that says nothing is not ready before it executes: a launch cut off is seen, and begun anew", async () => {
  const { spawn, driver } = twoStepDriver();
  await using provider = Object.assign(createVmmProvider(driver, { log: silentLog, bootDeadlineMs: 1000 }), {
    [Symbol.asyncDispose]: async () => await provider.stop(machine, 0, NEVER),
  });
  const machine = { uid: "U", directory, vcpu: 1, memoryMib: 64, ports: [] } as unknown as Machine;
  const half = await spawn();
  expect(await provider.observe(machine)).toMatchObject({ state: "running", isReady: false, pid: half.pid });

  await provider.awaitReady(machine, NEVER);
  const whole = await provider.observe(machine);
  expect(whole).toMatchObject({ state: "running", isReady: true });
  expect(whole).not.toMatchObject({ pid: half.pid });
});
