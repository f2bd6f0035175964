import {
  adjustmentsOf,
  type LiveSettings,
  type Machine,
  type MachineRef,
  type MeteredMachine,
  type Provider,
  VMM_GROUP,
} from "@flintlock/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

/** Machines and providers for one test. */
export interface ProviderHarness {
  /** A provider as a daemon that just started has it; all of one harness see the same machines. */
  provider(): Provider;
  /** A machine that never ran, whose guest becomes ready and then runs until it is asked to end. */
  machine(): Promise<Machine>;
  /** Its VMM dies as by a crash, unknown to every provider. */
  crash(ref: MachineRef): Promise<void>;
  /** Ends all machines, closes all providers, removes all files. */
  close(): Promise<void>;
}

export interface ProviderContractOptions {
  /** Time limit of one test; the longest boots two machines, one after the other */
  readonly timeoutMs: number;
  /** In which the guest ends by itself when asked */
  readonly graceMs: number;
}

/** What every provider promises (ports/provider.ts), on machines that really run, or claim to. */
export const providerContract = (
  name: string,
  makeHarness: () => Promise<ProviderHarness>,
  { timeoutMs, graceMs }: ProviderContractOptions,
): void => {
  describe(`provider contract: ${name}`, { timeout: timeoutMs }, () => {
    let harness: ProviderHarness;
    let provider: Provider;
    const signal = new AbortController().signal;
    beforeEach(async () => {
      harness = await makeHarness();
      provider = harness.provider();
    });
    afterEach(() => harness.close(), timeoutMs);

    const boot = async (machine: Machine): Promise<number> => {
      await provider.start(machine, signal);
      await provider.awaitReady(machine, signal);
      return await pidOf(provider, machine);
    };

    test("it works on this host, or says why not", async () => {
      expect(await provider.availability(signal)).toMatchObject({
        isUsable: true,
        reason: expect.stringMatching(/\w/),
      });
    });

    test("a machine that never ran is absent, and there is nothing to stop or to wait for", async () => {
      const machine = await harness.machine();
      expect(await provider.observe(machine)).toEqual({ state: "absent" });
      await provider.stop(machine, 1000, signal);
      await provider.exited(machine, signal);
      expect(await provider.observe(machine)).toEqual({ state: "absent" });
    });

    test("a machine starts once, becomes ready, and ends when asked", async () => {
      const machine = await harness.machine();
      const pid = await boot(machine);
      expect(await provider.observe(machine)).toMatchObject({
        state: "running",
        isReady: true,
        isPaused: false,
        pid,
      });
      await provider.start(machine, signal);
      await provider.awaitReady(machine, signal);
      expect(await pidOf(provider, machine)).toBe(pid);

      await Promise.all([provider.exited(machine, signal), provider.stop(machine, graceMs, signal)]);
      expect((await provider.observe(machine)).state).not.toBe("running");
      await provider.stop(machine, graceMs, signal);
    });

    test("giving up the wait for the guest leaves the machine; no grace ends it at once", async () => {
      const machine = await harness.machine();
      await provider.start(machine, signal);
      const giveUp = new AbortController();
      giveUp.abort(new Error("enough"));
      await expect(provider.awaitReady(machine, giveUp.signal)).rejects.toThrow("enough");
      await expect(provider.exited(machine, giveUp.signal)).rejects.toThrow("enough");
      expect((await provider.observe(machine)).state).toBe("running");
      await provider.stop(machine, 0, signal);
      expect((await provider.observe(machine)).state).not.toBe("running");
    });

    test("another daemon adopts the machine: it sees, starts and stops the same VMM", async () => {
      const machine = await harness.machine();
      const pid = await boot(machine);
      const heir = harness.provider();
      expect(await heir.observe(machine)).toMatchObject({
        state: "running",
        isReady: true,
        isPaused: false,
        pid,
      });
      await heir.start(machine, signal);
      await heir.awaitReady(machine, signal);
      expect(await pidOf(heir, machine)).toBe(pid);
      await Promise.all([heir.exited(machine, signal), heir.stop(machine, 0, signal)]);
      expect((await heir.observe(machine)).state).not.toBe("running");
    });

    test("a machine pauses and goes on, the same VMM, also at another daemon's word; one that never ran does neither", async () => {
      const machine = await harness.machine();
      await expect(provider.pause(machine, signal)).rejects.toMatchObject({ code: "failed_precondition" });
      await expect(provider.resume(machine, signal)).rejects.toMatchObject({ code: "failed_precondition" });
      const pid = await boot(machine);
      await provider.pause(machine, signal);
      await provider.pause(machine, signal);
      const heir = harness.provider();
      expect(await heir.observe(machine)).toMatchObject({
        state: "running",
        isReady: true,
        isPaused: true,
        pid,
      });
      await heir.resume(machine, signal);
      await heir.resume(machine, signal);
      expect(await provider.observe(machine)).toMatchObject({ isPaused: false, pid });

      await provider.pause(machine, signal);
      await provider.stop(machine, 0, signal);
      expect((await provider.observe(machine)).state).not.toBe("running");
    });

    test("a machine that runs is given what it can be at once, and another daemon sees it; one that does not run refuses", async () => {
      const machine = await harness.machine();
      await expect(provider.adjust(machine, signal)).rejects.toMatchObject({ code: "failed_precondition" });
      const pid = await boot(machine);
      const { adjusts } = provider.traits;
      const before = await settingsSeen(provider, machine);
      expect(adjustmentsOf(machine, before, adjusts)).toEqual([]);

      const wanted: Machine = {
        ...machine,
        ...(adjusts.has("limits") && { limits: { diskBytesPerSecond: 64 * 1024 ** 2 } }),
        ...(adjusts.has("diskMib") && { diskMib: { root: GROWN_MIB } }),
        ...(adjusts.has("vcpu") && { vcpu: machine.vcpu + 1 }),
        ...(adjusts.has("memoryMib") && { memoryMib: machine.memoryMib + 128 }),
      };
      const todo = adjustmentsOf(wanted, before, adjusts);
      const heir = harness.provider();
      await heir.adjust(wanted, signal);
      const after = await settingsSeen(provider, machine);
      expect(adjustmentsOf(wanted, after, adjusts)).toEqual([]);
      for (const kind of todo) expect(after.applied[kind]).toEqual(wanted[kind]);
      await provider.adjust(wanted, signal);

      if (adjusts.has("limits")) {
        await provider.adjust({ ...wanted, limits: undefined }, signal);
        expect((await settingsSeen(heir, machine)).applied.limits ?? {}).toEqual({});
      }
      expect(await pidOf(provider, machine)).toBe(pid);
    });

    test("a VMM that crashes is noticed, told apart from a failed boot, and can be started again", async () => {
      const machine = await harness.machine();
      const first = await boot(machine);
      await Promise.all([provider.exited(machine, signal), harness.crash(machine)]);
      const ended = await provider.observe(machine);
      expect(ended).toMatchObject({ state: "exited", wasReady: true, exit: { code: undefined } });
      expect(await harness.provider().observe(machine)).toEqual(ended);

      expect(await boot(machine)).not.toBe(first);
      expect(await provider.observe(machine)).toMatchObject({ state: "running", isReady: true });
    });

    test("a start after a stop is another VMM, which knows nothing of the run before it", async () => {
      const machine = await harness.machine();
      const first = await boot(machine);
      await provider.stop(machine, graceMs, signal);
      const stopped = await provider.observe(machine);

      await provider.start(machine, signal);
      expect(await provider.observe(machine)).toMatchObject({ state: "running", isReady: false });
      expect(await pidOf(provider, machine)).not.toBe(first);
      await Promise.all([provider.exited(machine, signal), harness.crash(machine)]);
      const crashed = await harness.provider().observe(machine);
      expect(crashed).toMatchObject({ state: "exited", wasReady: false, exit: { code: undefined } });
      expect(crashed).not.toEqual(stopped);

      await boot(machine);
      expect(await provider.observe(machine)).toMatchObject({ state: "running", isReady: true });
    });

    test("a start that is given up at any moment is completed by the next one", async () => {
      const machine = await harness.machine();
      for (const ms of GIVE_UP_AFTER_MS) {
        await provider.start(machine, AbortSignal.timeout(ms)).catch(() => undefined);
        const { state } = await harness.provider().observe(machine);
        expect(["absent", "running", "exited"]).toContain(state);
        // Where it came too late, the next one is to begin at the beginning.
        if (state === "running" && ms % 2 === 0) await provider.stop(machine, 0, signal);
      }
      const pid = await boot(machine);
      expect(await harness.provider().observe(machine)).toMatchObject({
        state: "running",
        isReady: true,
        pid,
      });
    });

    test("a machine that runs tells its numbers, to another daemon too; one that does not has none", async () => {
      const machine = await harness.machine();
      const metered = meteredOf(machine);
      expect(await provider.metrics(metered, "all", signal)).toEqual([]);
      await boot(machine);
      const [vmm, all] = [
        await provider.metrics(metered, "vmm", signal),
        await harness.provider().metrics(metered, "all", signal),
      ];
      expect(new Set(vmm.map(({ group }) => group))).toEqual(new Set([VMM_GROUP]));
      const keys = vmm.map(({ key }) => key);
      expect(keys).toEqual(expect.arrayContaining(["cpu_milliseconds", "resident_bytes"]));
      const groups = new Set(all.map(({ group }) => group));
      for (const group of [VMM_GROUP, ...machine.disks.map(({ volumeId }) => `block_${volumeId}`)]) {
        expect(groups).toContain(group);
      }
      for (const { value, help } of all) {
        expect(Number.isInteger(value)).toBe(true);
        expect(help).not.toBe("");
      }
      const names = all.map(({ group, key }) => `${group}_${key}`);
      expect(new Set(names).size).toBe(names.length);
      await provider.stop(machine, 0, signal);
      expect(await provider.metrics(metered, "all", signal)).toEqual([]);
    });

    test("numbers that nobody waits for any more are not asked for; many asking at once all get them", async () => {
      const machine = await harness.machine();
      await boot(machine);
      const gone = AbortSignal.abort(new Error("enough"));
      await expect(provider.metrics(meteredOf(machine), "all", gone)).rejects.toThrow("enough");
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => provider.metrics(meteredOf(machine), "all", signal)),
      );
      for (const answer of answers) expect(answer.length).toBe(answers[0]?.length);
    });

    test("two machines run side by side, and the end of one is not the other's", async () => {
      const [one, two] = [await harness.machine(), await harness.machine()];
      const pids = await Promise.all([boot(one), boot(two)]);
      expect(pids[0]).not.toBe(pids[1]);
      await provider.stop(one, 0, signal);
      expect((await provider.observe(one)).state).not.toBe("running");
      expect(await pidOf(provider, two)).toBe(pids[1]);
    });
  });
};

/** From before anything is done to after the VMM runs; an odd one leaves what it started. */
const GIVE_UP_AFTER_MS = [0, 1, 2, 4, 8, 15, 30, 60, 121];

const meteredOf = ({ uid, directory, disks, interfaces }: Machine): MeteredMachine => ({
  uid,
  directory,
  volumeIds: disks.map(({ volumeId }) => volumeId),
  interfaces: interfaces.map(({ deviceId, hostDevice }) => ({ deviceId, hostDevice: hostDevice?.name })),
});

/** More than the disk of any harness has. */
const GROWN_MIB = 192;

const settingsSeen = async (provider: Provider, ref: MachineRef): Promise<LiveSettings> => {
  const machine = await provider.observe(ref);
  if (machine.state === "running" && machine.settings !== undefined) return machine.settings;
  throw new Error(`the machine is ${machine.state}, and nothing is known of what it has`);
};

const pidOf = async (provider: Provider, ref: MachineRef): Promise<number> => {
  const machine = await provider.observe(ref);
  if (machine.state !== "running") throw new Error(`the machine is ${machine.state}`);
  return machine.pid;
};
