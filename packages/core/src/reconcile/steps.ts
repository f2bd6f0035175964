/**
 * How each step is carried out, and how long it may take. A step name without a handler does not compile.
 *
 * A handler is idempotent and may be cut off at any line: the next observation finds what it left.
 */

import { FlintlockError, notFound } from "../domain/errors.ts";
import type { Image } from "../domain/image.ts";
import { INITRD_FILE_LABEL, KERNEL_FILE_LABEL } from "../domain/image.ts";
import type { MicroVM, MicroVMStatus, Mount } from "../domain/microvm.ts";
import { volumesOf } from "../domain/spec-parts.ts";
import type { Digest, OciReference } from "../domain/units.ts";
import type { Machine, MachineDisk, Provider } from "../ports/provider.ts";
import { machineOf } from "./machine.ts";
import type { Step, StepKind } from "./plan.ts";
import type { Ports } from "./ports.ts";
import { providerOf } from "./ports.ts";

/** What a step adds to the status once it has worked. */
export type StatusChange = Partial<MicroVMStatus>;

export type StepHandlers = {
  readonly [K in StepKind]: (vm: MicroVM, step: Step<K>, signal: AbortSignal) => Promise<StatusChange>;
};

/** Longest time a step may take, in ms, waiting for its turn not counted. */
export const STEP_DEADLINES_MS: Readonly<Record<StepKind, number>> = {
  pullImage: 30 * 60_000,
  prepareVolume: 15 * 60_000,
  ensureInterface: 30_000,
  bootMachine: 5 * 60_000,
  awaitGuest: 5 * 60_000,
  stopMachine: 60_000,
  removeInterface: 30_000,
  removeDirectory: 5 * 60_000,
  forget: 30_000,
};

/** Grace a guest gets to end by itself when its VM is deleted; upstream's default, which has an effect here. */
export const DELETE_GRACE_MS = 10_000;

export const createStepHandlers = (ports: Ports, deleteGraceMs: number): StepHandlers => ({
  async pullImage(vm, { image }, signal) {
    const pulled = await ports.images.pull(pinned(vm, image), { policy: "missing" }, signal);
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
      { format, isReadOnly: volume.isReadOnly },
      signal,
    );
    return { volumes: { ...vm.status.volumes, [volumeId]: hostPath(disk.path) } };
  },

  async ensureInterface(vm, { deviceId }, signal) {
    const iface = vm.spec.interfaces.find((candidate) => candidate.deviceId === deviceId);
    if (iface === undefined) throw notFound(`interface ${deviceId}`);
    const status = await ports.network.ensure(vm.uid, iface, signal);
    return { networkInterfaces: { ...vm.status.networkInterfaces, [deviceId]: status } };
  },

  async bootMachine(vm, _step, signal) {
    const machine = await prepareMachine(vm, ports, signal);
    const provider = providerOf(ports, vm);
    await orStop(provider, machine, signal, async () => {
      await provider.start(machine, signal);
      await provider.awaitReady(machine, signal);
    });
    return {
      kernelMount: hostPath(machine.kernelPath),
      initrdMount: machine.initrdPath === undefined ? undefined : hostPath(machine.initrdPath),
    };
  },

  async awaitGuest(vm, _step, signal) {
    const provider = providerOf(ports, vm);
    const machine = await prepareMachine(vm, ports, signal);
    await orStop(provider, machine, signal, () => provider.awaitReady(machine, signal));
    return {};
  },

  async stopMachine(vm, _step, signal) {
    const ref = { uid: vm.uid, directory: ports.directories.path(vm) };
    await providerOf(ports, vm).stop(ref, deleteGraceMs, signal);
    return {};
  },

  async removeInterface(vm, { deviceId }, signal) {
    await ports.network.remove(vm.uid, deviceId, signal);
    const { [deviceId]: _gone, ...networkInterfaces } = vm.status.networkInterfaces;
    return { networkInterfaces };
  },

  async removeDirectory(vm) {
    await ports.directories.remove(vm);
    return { volumes: {} };
  },

  async forget(vm) {
    await ports.repository.remove(vm.uid);
    return {};
  },
});

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
    const isOverdue = signal.reason instanceof FlintlockError && signal.reason.code === "deadline_exceeded";
    if (!signal.aborted || isOverdue) await provider.stop(machine, 0, new AbortController().signal);
    throw error;
  }
};

/** Files and disks as host paths. Everything here is idempotent and, after the first time, quick. */
const prepareMachine = async (vm: MicroVM, ports: Ports, signal: AbortSignal): Promise<Machine> => {
  const { kernel, initrd, rootVolume } = vm.spec;
  const directory = await ports.directories.ensure(vm);
  const kernelImage = await imageOf(vm, ports, kernel.image);
  const kernelFile = kernel.filename || (kernelImage.config.labels[KERNEL_FILE_LABEL] ?? "");
  if (kernelFile === "") {
    throw new FlintlockError(
      "invalid_spec",
      "kernel.filename: is required, because the image names no kernel file",
      {
        detail: { field: "kernel.filename" },
        hint: `set it, or label the image ${KERNEL_FILE_LABEL}=boot/vmlinuz`,
      },
    );
  }
  const initrdImage = initrd === undefined ? kernelImage : await imageOf(vm, ports, initrd.image);
  const ourInitrd = initrdImage.config.labels[INITRD_FILE_LABEL];
  const initrdFile = initrd?.filename || ourInitrd;
  const rootImage =
    rootVolume?.source.kind === "image" ? await imageOf(vm, ports, rootVolume.source.image) : undefined;
  return machineOf(vm, {
    directory,
    kernelPath: await ports.images.file(kernelImage.digest, kernelFile, signal),
    initrdPath:
      initrdFile === undefined ? undefined : await ports.images.file(initrdImage.digest, initrdFile, signal),
    isOurInitrd: initrdFile !== undefined && initrdFile === ourInitrd && rootVolume !== undefined,
    disks: await disksOf(vm, ports, directory, signal),
    hostDevices: Object.fromEntries(
      Object.entries(vm.status.networkInterfaces).map(([deviceId, status]) => [
        deviceId,
        status.hostDeviceName,
      ]),
    ),
    rootConfig: rootImage?.config,
  });
};

const disksOf = async (
  vm: MicroVM,
  ports: Ports,
  directory: string,
  signal: AbortSignal,
): Promise<readonly MachineDisk[]> => {
  const [format = "raw"] = providerOf(ports, vm).traits.diskFormats;
  const disks: MachineDisk[] = [];
  for (const { id, source, sizeMib, isReadOnly } of volumesOf(vm.spec)) {
    if (source.kind !== "image") continue;
    const base = await ports.images.baseDisk(digestOf(vm, source.image), sizeMib, signal);
    const disk = await ports.volumes.ensure(directory, id, base, { format, isReadOnly }, signal);
    disks.push({ ...disk, volumeId: id });
  }
  return disks;
};

const imageOf = async (vm: MicroVM, ports: Ports, reference: OciReference): Promise<Image> => {
  const image = await ports.images.find(digestOf(vm, reference));
  if (image === undefined) throw notFound(`image ${reference}`);
  return image;
};

const digestOf = (vm: MicroVM, reference: OciReference): Digest => {
  const digest = vm.status.images[reference];
  if (digest === undefined)
    throw new FlintlockError("internal", `image ${reference} was used before it was pulled`);
  return digest;
};

/** A tag that moved since must not change a VM that has already used it. */
const pinned = (vm: MicroVM, reference: OciReference): OciReference => {
  const digest = vm.status.images[reference];
  if (digest === undefined) return reference;
  const name = reference.replace(/@.*$/, "").replace(/:[^:/]+$/, "");
  return `${name}@${digest}` as OciReference;
};

const hostPath = (source: string): Mount => ({ type: "hostpath", source });
