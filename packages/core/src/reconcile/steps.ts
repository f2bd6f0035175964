/**
 * How each step is carried out, and how long it may take. A step name without a handler does not compile.
 *
 * A handler is idempotent and may be cut off at any line: the next observation finds what it left.
 */

import { FlintlockError, notFound } from "../domain/errors.ts";
import type { MicroVM, MicroVMStatus } from "../domain/microvm.ts";
import { linkedInterfaces, volumesOf } from "../domain/spec-parts.ts";
import type { OciReference } from "../domain/units.ts";
import type { Machine, MachineRef, Provider } from "../ports/provider.ts";
import { ensureHostDevice } from "./host-device.ts";
import { meetCondition } from "./meet-condition.ts";
import type { Step, StepKind } from "./plan.ts";
import type { Ports } from "./ports.ts";
import { providerOf } from "./ports.ts";
import { digestOf, hostPath, prepareMachine } from "./prepare-machine.ts";

/** What a step adds to the status once it has worked. */
export type StatusChange = Partial<MicroVMStatus>;

export type StepHandlers = {
  readonly [K in StepKind]: (vm: MicroVM, step: Step<K>, signal: AbortSignal) => Promise<StatusChange>;
};

/** Longest time a step may take, in ms, waiting for its turn, and a guest's grace, not counted. */
const STEP_DEADLINES_MS: Readonly<Record<StepKind, number>> = {
  pullImage: 30 * 60_000,
  prepareVolume: 15 * 60_000,
  ensureInterface: 30_000,
  bootMachine: 5 * 60_000,
  awaitGuest: 5 * 60_000,
  openAgentSocket: 30_000,
  closeAgentSocket: 30_000,
  // Its own time limit is the microVM's, and at most an hour; this is for one that does not keep it
  awaitCondition: 2 * 60 * 60_000,
  pauseMachine: 30_000,
  resumeMachine: 30_000,
  adjustMachine: 2 * 60_000,
  stopMachine: 60_000,
  beginRun: 30_000,
  removeInterface: 30_000,
  removeDirectory: 5 * 60_000,
  forget: 30_000,
};

/** `graceMs`: a guest's where the step names none. */
export const deadlineOf = (
  step: { readonly kind: StepKind; readonly graceMs?: number | undefined },
  graceMs: number,
): number => STEP_DEADLINES_MS[step.kind] + (step.kind === "stopMachine" ? (step.graceMs ?? graceMs) : 0);

const MIB = 1024 * 1024;

export const createStepHandlers = (ports: Ports, defaultGraceMs: number): StepHandlers => ({
  async pullImage(vm, { image }, signal) {
    const policy = vm.status.images[image] === undefined ? vm.spec.pull : "missing";
    const pulled = await ports.images.pull(pinned(vm, image), { policy }, signal);
    return { images: { ...vm.status.images, [image]: pulled.digest } };
  },

  async prepareVolume(vm, { volumeId }, signal) {
    const volume = volumesOf(vm.spec).find(({ id }) => id === volumeId);
    if (volume === undefined || volume.source.kind !== "image") throw notFound(`volume ${volumeId}`);
    const base = await ports.images.baseDisk(digestOf(vm, volume.source.image), volume.sizeMib, signal);
    const directory = await ports.directories.ensure(vm);
    const [format = "raw"] = providerOf(ports, vm).traits.diskFormats;
    const disk = await ports.volumes.ensure(
      directory,
      volumeId,
      base,
      { format, isReadOnly: volume.isReadOnly, partitionId: volume.partitionId },
      signal,
    );
    if (volume.grownToMib !== undefined)
      await ports.volumes.grow(directory, volumeId, volume.grownToMib * MIB, signal);
    return { volumes: { ...vm.status.volumes, [volumeId]: hostPath(disk.path) } };
  },

  async ensureInterface(vm, { deviceId }, signal) {
    const iface = vm.spec.interfaces.find((candidate) => candidate.deviceId === deviceId);
    if (iface === undefined) throw notFound(`interface ${deviceId}`);
    const status = await ensureHostDevice(vm, iface, ports, signal);
    return { networkInterfaces: { ...vm.status.networkInterfaces, [deviceId]: status } };
  },

  async bootMachine(vm, _step, signal) {
    const { machine, status } = await prepareMachine(vm, ports, signal);
    const provider = providerOf(ports, vm);
    await orStop(provider, machine, signal, async () => {
      await provider.start(machine, signal);
      await provider.awaitReady(machine, signal);
    });
    // A new run: how an earlier one ended is over.
    return { ...status, exit: undefined, readyAt: ports.clock.now() };
  },

  async awaitGuest(vm, _step, signal) {
    const { machine, status } = await prepareMachine(vm, ports, signal);
    const provider = providerOf(ports, vm);
    await orStop(provider, machine, signal, () => provider.awaitReady(machine, signal));
    return { ...status, exit: undefined, readyAt: ports.clock.now() };
  },

  async openAgentSocket(vm, _step, signal) {
    return { vsockPath: await providerOf(ports, vm).agentSocket.open(refOf(vm, ports), signal) };
  },

  async closeAgentSocket(vm) {
    await providerOf(ports, vm).agentSocket.close(refOf(vm, ports));
    return { vsockPath: undefined };
  },

  async awaitCondition(vm, { condition }, signal) {
    await meetCondition(vm, condition, ports, signal);
    return {};
  },

  async pauseMachine(vm, _step, signal) {
    await providerOf(ports, vm).pause(refOf(vm, ports), signal);
    return {};
  },

  async resumeMachine(vm, _step, signal) {
    await providerOf(ports, vm).resume(refOf(vm, ports), signal);
    return {};
  },

  async adjustMachine(vm, _step, signal) {
    const { machine } = await prepareMachine(vm, ports, signal);
    await providerOf(ports, vm).adjust(machine, signal);
    return {};
  },

  async stopMachine(vm, { graceMs = defaultGraceMs }, signal) {
    await providerOf(ports, vm).stop(refOf(vm, ports), graceMs, signal);
    return {};
  },

  async beginRun({ uid, run }, { exit }) {
    await ports.repository.update(uid, (vm) =>
      // Not the wish of somebody who came in between.
      vm.run === run
        ? {
            ...vm,
            run: { state: run.state, isAnew: false },
            status: { ...vm.status, exit: exit ?? vm.status.exit, readyAt: undefined },
          }
        : vm,
    );
    return {};
  },

  async removeInterface(vm, { deviceId }, signal) {
    await ports.network.remove(vm.uid, deviceId, signal);
    const { [deviceId]: _gone, ...networkInterfaces } = vm.status.networkInterfaces;
    return { networkInterfaces };
  },

  async removeDirectory(vm, _step, signal) {
    // What a VMM that has ended still has of the host is named in the directory: afterwards nobody would find it.
    await providerOf(ports, vm).stop(refOf(vm, ports), 0, signal);
    // An interface that was being made when its step failed may be too unfinished to be observed.
    for (const { deviceId } of linkedInterfaces(vm.spec))
      await ports.network.remove(vm.uid, deviceId, signal);
    await ports.directories.remove(vm);
    return { volumes: {} };
  },

  async forget(vm, _step, signal) {
    // An interface that was being made when a daemon died may be too unfinished to be observed.
    for (const { deviceId } of linkedInterfaces(vm.spec))
      await ports.network.remove(vm.uid, deviceId, signal);
    await ports.repository.remove(vm.uid);
    return {};
  },
});

const refOf = (vm: MicroVM, { directories }: Ports): MachineRef => ({
  uid: vm.uid,
  directory: directories.path(vm),
});

/** Aborted because time was up, not because somebody wants something else. */
export const isOverdue = (signal: AbortSignal): boolean =>
  signal.reason instanceof FlintlockError && signal.reason.code === "deadline_exceeded";

/**
 * A guest that did not come up is ended, so that the next attempt starts from the beginning. One that is merely no
 * longer waited for (the daemon stops, or a delete has its own plan) is left alone.
 */
const orStop = async (
  provider: Provider,
  machine: Machine,
  signal: AbortSignal,
  boot: () => Promise<void>,
): Promise<void> => {
  try {
    await boot();
  } catch (error) {
    if (!signal.aborted || isOverdue(signal)) await provider.stop(machine, 0, new AbortController().signal);
    throw error;
  }
};

/** A tag that moved since must not change a VM that has already used it. */
const pinned = (vm: MicroVM, reference: OciReference): OciReference => {
  const digest = vm.status.images[reference];
  if (digest === undefined) return reference;
  const name = reference.replace(/@.*$/, "").replace(/:[^:/]+$/, "");
  return `${name}@${digest}` as OciReference;
};
