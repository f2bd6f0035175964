/** Asks many machines for their numbers, some at a time, none of them able to hold up the answer. */
import { FlintlockError, toFlintlockError } from "../domain/errors.ts";
import type { MicroVM } from "../domain/microvm.ts";
import { isUid } from "../domain/names.ts";
import { diskVolumesOf } from "../domain/spec-parts.ts";
import { Semaphore } from "../kit/semaphore.ts";
import { unlessAborted } from "../kit/unless-aborted.ts";
import type { MachineMetric, MeteredMachine, MetricScope } from "../ports/provider.ts";
import type { Ports } from "../reconcile/ports.ts";
import { providerOf } from "../reconcile/ports.ts";
import type { MicroVMMeasurement, MicroVMUseCases } from "./api.ts";

/** For one machine, its turn not counted */
export const MEASURE_MS = 2_000;
/** For all of them: less than the ten seconds a scraper waits by default */
export const MEASURE_ALL_MS = 8_000;
/** Of all callers together */
const AT_ONCE = 16;
/** A VMM tells a hundred or two */
const MAX_METRICS = 1024;

export const measureMicroVMs = (ports: Ports): MicroVMUseCases["measure"] => {
  const turns = new Semaphore(AT_ONCE);

  const numbersOf = async (
    vm: MicroVM,
    scope: MetricScope,
    control: AbortController,
  ): Promise<readonly MachineMetric[]> => {
    const release = await turns.acquire(control.signal);
    const silence = ports.clock.alarm(MEASURE_MS, () => control.abort(tooSlow(MEASURE_MS)));
    try {
      const machine = meteredMachine(vm, ports.directories.path(vm));
      const asked = providerOf(ports, vm).metrics(machine, scope, control.signal);
      const metrics = await unlessAborted(asked, control.signal);
      return metrics.filter(({ value }) => Number.isInteger(value)).slice(0, MAX_METRICS);
    } finally {
      silence();
      release();
    }
  };

  const measure = async (
    vm: MicroVM,
    scope: MetricScope,
    control: AbortController,
  ): Promise<MicroVMMeasurement> => {
    const names = { uid: vm.uid, namespace: vm.namespace, id: vm.id };
    try {
      return { ...names, metrics: await numbersOf(vm, scope, control), error: undefined };
    } catch (error) {
      return { ...names, metrics: [], error: toFlintlockError(error) };
    }
  };

  return async (uids, scope, signal) => {
    signal.throwIfAborted();
    const work = uids
      .flatMap((uid) => (isUid(uid) ? (ports.repository.find(uid) ?? []) : []))
      .map((vm) => ({ vm, control: new AbortController() }));
    // One listener for all: a signal warns of as many as there are microVMs.
    const giveUp = (reason: unknown): void => {
      for (const { control } of work) control.abort(reason);
    };
    const onAbort = (): void => giveUp(signal.reason);
    const silence = ports.clock.alarm(MEASURE_ALL_MS, () => giveUp(tooSlow(MEASURE_ALL_MS)));
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const measured = await Promise.all(work.map(({ vm, control }) => measure(vm, scope, control)));
      signal.throwIfAborted();
      return measured;
    } finally {
      silence();
      signal.removeEventListener("abort", onAbort);
    }
  };
};

/** With the names that the interfaces and volumes have in the spec. */
const meteredMachine = (vm: MicroVM, directory: string): MeteredMachine => ({
  uid: vm.uid,
  directory,
  volumeIds: diskVolumesOf(vm.spec).map(({ id }) => id),
  interfaces: vm.spec.interfaces.map(({ deviceId }) => ({
    deviceId,
    hostDevice: vm.status.networkInterfaces[deviceId]?.hostDeviceName,
  })),
});

const tooSlow = (ms: number): FlintlockError =>
  new FlintlockError("deadline_exceeded", `no numbers within ${ms} ms`);
