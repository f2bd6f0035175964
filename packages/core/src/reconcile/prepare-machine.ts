/** Gathers what a VMM needs: files, disks and devices as host paths and names. */
import { FlintlockError, invalidField, notFound } from "../domain/errors.ts";
import { type Image, INITRD_FILE_LABEL, KERNEL_FILE_LABEL } from "../domain/image.ts";
import type { InterfaceStatus, MicroVM, MicroVMStatus, Mount } from "../domain/microvm.ts";
import { linkedInterfaces, volumesOf } from "../domain/spec-parts.ts";
import type { Digest, OciReference } from "../domain/units.ts";
import type { Machine, MachineDisk } from "../ports/provider.ts";
import type { Disk } from "../ports/volume-store.ts";
import { ensureHostDevice } from "./host-device.ts";
import { machineOf } from "./machine.ts";
import { type Ports, providerOf } from "./ports.ts";
import { ethernetsOf, mtusOf, type SeedFacts, seedFiles } from "./seed.ts";

export interface PreparedMachine {
  readonly machine: Machine;
  /** What the record should say of it */
  readonly status: Pick<MicroVMStatus, "kernelMount" | "initrdMount" | "volumes" | "networkInterfaces">;
}

/** Everything here is idempotent and, after the first time, quick. */
export const prepareMachine = async (
  vm: MicroVM,
  ports: Ports,
  signal: AbortSignal,
): Promise<PreparedMachine> => {
  const { rootVolume } = vm.spec;
  const directory = await ports.directories.ensure(vm);
  const files = await bootFiles(vm, ports, signal);
  const disks = await disksOf(vm, ports, directory, signal);
  const networkInterfaces: Record<string, InterfaceStatus> = {};
  for (const iface of linkedInterfaces(vm.spec)) {
    networkInterfaces[iface.deviceId] = await ensureHostDevice(vm, iface, ports, signal);
  }
  const rootImage =
    rootVolume?.source.kind === "image" ? await imageOf(vm, ports, rootVolume.source.image) : undefined;
  const isOurInitrd = files.isOurInitrd && rootVolume !== undefined;
  const ethernets = ethernetsOf(vm.uid, vm.spec, mtusOf(networkInterfaces));
  const machine = machineOf(vm, {
    directory,
    ...files,
    isOurInitrd,
    disks,
    seed: await seedOf(vm, ports, directory, { mountsItself: isOurInitrd, ethernets }, signal),
    metadata: metadataOf(vm, ports, { mountsItself: isOurInitrd, ethernets }),
    networkConfig: vm.spec.kernel.addNetworkConfig ? ports.cloudInit.networkConfig(ethernets) : undefined,
    hostDevices: Object.fromEntries(
      linkedInterfaces(vm.spec).map(({ deviceId, type }) => {
        const { hostDeviceName = "", mtu } = networkInterfaces[deviceId] ?? {};
        return [deviceId, { name: hostDeviceName, kind: type, mtu }];
      }),
    ),
    rootConfig: rootImage?.config,
  });
  refuseTooLarge(machine);
  const status = {
    kernelMount: hostPath(files.kernelPath),
    initrdMount: files.initrdPath === undefined ? undefined : hostPath(files.initrdPath),
    volumes: Object.fromEntries([
      ...disks.map(({ volumeId, path }) => [volumeId, hostPath(path)] as const),
      ...(machine.filesystems ?? []).map((each) => [each.volumeId, hostPath(each.hostPath)] as const),
    ]),
    networkInterfaces,
  };
  return { machine, status };
};

/** What `guest/init` reads: 1 MiB of configuration, 1024 variables; below both, because of what UTF-8 adds. */
const MAX_GUEST_CONFIG = 512 * 1024;
const MAX_GUEST_ENV = 1000;

const refuseTooLarge = ({ guest }: Machine): void => {
  if ((guest?.boot.process?.env.length ?? 0) > MAX_GUEST_ENV) {
    throw invalidField(
      "process.env",
      `the image's variables and these are more than ${MAX_GUEST_ENV} together`,
    );
  }
  if (JSON.stringify(guest ?? null).length > MAX_GUEST_CONFIG) {
    throw invalidField(
      "process",
      `arguments and environment are more than ${MAX_GUEST_CONFIG / 1024} KiB together`,
    );
  }
};

interface BootFiles {
  readonly kernelPath: string;
  readonly initrdPath: string | undefined;
  readonly isOurInitrd: boolean;
}

/** The spec's file names, or those that the images' labels give. A kernel image may bring its initrd. */
const bootFiles = async (vm: MicroVM, ports: Ports, signal: AbortSignal): Promise<BootFiles> => {
  const { kernel, initrd } = vm.spec;
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
  const ours = initrdImage.config.labels[INITRD_FILE_LABEL];
  const initrdFile = initrd?.filename || ours;
  return {
    kernelPath: await ports.images.file(kernelImage.digest, kernelFile, signal),
    initrdPath:
      initrdFile === undefined ? undefined : await ports.images.file(initrdImage.digest, initrdFile, signal),
    isOurInitrd: initrdFile !== undefined && initrdFile === ours,
  };
};

const disksOf = async (
  vm: MicroVM,
  ports: Ports,
  directory: string,
  signal: AbortSignal,
): Promise<readonly MachineDisk[]> => {
  const [format = "raw"] = providerOf(ports, vm).traits.diskFormats;
  const disks: MachineDisk[] = [];
  for (const { id, source, sizeMib, isReadOnly, partitionId } of volumesOf(vm.spec)) {
    if (source.kind !== "image") continue;
    const base = await ports.images.baseDisk(digestOf(vm, source.image), sizeMib, signal);
    const want = { format, isReadOnly, partitionId };
    const disk = await ports.volumes.ensure(directory, id, base, want, signal);
    disks.push({ ...disk, volumeId: id, ...(partitionId !== undefined && { partitionId }) });
  }
  return disks;
};

/** Every key of the caller's, and what is made for cloud-init; only for a service that answers with them. */
const metadataOf = (
  vm: MicroVM,
  ports: Ports,
  facts: SeedFacts,
): Readonly<Record<string, string>> | undefined =>
  providerOf(ports, vm).traits.capabilities.has("metadata-service")
    ? { ...vm.spec.metadata, ...seedFiles(vm, ports.cloudInit, facts) }
    : undefined;

/** A provider with a metadata service needs no disk for it. */
const seedOf = async (
  vm: MicroVM,
  ports: Ports,
  directory: string,
  facts: SeedFacts,
  signal: AbortSignal,
): Promise<Disk | undefined> => {
  if (providerOf(ports, vm).traits.capabilities.has("metadata-service")) return undefined;
  const files = seedFiles(vm, ports.cloudInit, facts);
  return files === undefined ? undefined : ports.seeds.ensure(directory, files, signal);
};

const imageOf = async (vm: MicroVM, ports: Ports, reference: OciReference): Promise<Image> => {
  const image = await ports.images.find(digestOf(vm, reference));
  if (image === undefined) throw notFound(`image ${reference}`);
  return image;
};

export const digestOf = (vm: MicroVM, reference: OciReference): Digest => {
  const digest = vm.status.images[reference];
  if (digest === undefined)
    throw new FlintlockError("internal", `image ${reference} was used before it was pulled`);
  return digest;
};

export const hostPath = (source: string): Mount => ({ type: "hostpath", source });
