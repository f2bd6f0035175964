/** Machines of every kind that Firecracker can run; Cloud Hypervisor can as well. */
import type { Machine, MachineDisk, MachineInterface, Uid } from "@flintlock/core";
import fc from "fast-check";

export interface ArbitraryOptions {
  readonly directory: string;
  readonly kernelPath: string;
  /** Paths of existing raw disks, as many as a machine may have */
  readonly disks: readonly string[];
  /** Names of existing TAP devices, likewise */
  readonly taps: readonly string[];
}

const ids = (maxLength: number): fc.Arbitrary<readonly string[]> =>
  fc.uniqueArray(fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9_-]{0,20}[A-Za-z0-9])?$/), { maxLength });

const deviceIds = (maxLength: number): fc.Arbitrary<readonly string[]> =>
  fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9_]{0,14}$/), { maxLength });

const word = fc.stringMatching(/^[a-z][a-z0-9_.]{0,15}$/);
const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });

const rate = optional(fc.integer({ min: 1, max: 10_000_000_000 }));

export const arbitraryMachine = (options: ArbitraryOptions): fc.Arbitrary<Machine> =>
  fc
    .record({
      vcpu: fc.integer({ min: 1, max: 32 }),
      memoryMib: fc.integer({ min: 128, max: 32_768 }),
      volumes: ids(options.disks.length),
      readOnly: fc.boolean(),
      partitionId: optional(fc.uuid()),
      devices: deviceIds(options.taps.length),
      forMetadata: fc.boolean(),
      cmdline: fc.dictionary(word, fc.stringMatching(/^[A-Za-z0-9 ]{0,20}$/), { maxKeys: 8 }),
      wholeCmdline: optional(fc.constantFrom("console=ttyS0 root=/dev/vdb", "quiet panic=5 -- single")),
      features: fc.uniqueArray(fc.integer({ min: 1, max: 240 }).map(String), { maxLength: 4 }),
      disabled: fc.uniqueArray(fc.integer({ min: 1, max: 240 }).map(String), { maxLength: 4 }),
      networkBytesPerSecond: rate,
      diskBytesPerSecond: rate,
      diskOpsPerSecond: rate,
      balloonMib: optional(fc.integer({ min: 0, max: 128 })),
      metadata: optional(
        fc.dictionary(word, fc.oneof(fc.string().map(base64), fc.constant("not base64!")), { maxKeys: 8 }),
      ),
      hasAgentSocket: fc.boolean(),
    })
    .map((parts) => machineFrom(parts, options));

type Parts = Pick<
  Machine,
  "vcpu" | "memoryMib" | "cmdline" | "wholeCmdline" | "balloonMib" | "metadata" | "hasAgentSocket"
> & {
  readonly volumes: readonly string[];
  readonly readOnly: boolean;
  readonly partitionId: string | undefined;
  readonly devices: readonly string[];
  readonly forMetadata: boolean;
  readonly features: readonly string[];
  readonly disabled: readonly string[];
  readonly networkBytesPerSecond: number | undefined;
  readonly diskBytesPerSecond: number | undefined;
  readonly diskOpsPerSecond: number | undefined;
};

const machineFrom = (parts: Parts, { directory, kernelPath, disks, taps }: ArbitraryOptions): Machine => ({
  uid: "01TESTARBITRARY" as Uid,
  label: "default/any",
  directory,
  kernelPath,
  initrdPath: undefined,
  ...parts,
  disks: parts.volumes.map(
    (volumeId, index): MachineDisk => ({
      volumeId,
      path: disks[index] ?? "",
      format: "raw",
      isReadOnly: parts.readOnly && index > 0,
      ...(parts.partitionId !== undefined && index === 0 && { partitionId: parts.partitionId }),
    }),
  ),
  cpuFeatures: parts.features,
  disabledKvmCapabilities: parts.disabled.filter((number) => !parts.features.includes(number)),
  limits: parts,
  interfaces: parts.devices.map(
    (deviceId, index): MachineInterface => ({
      deviceId,
      mac: `02:00:00:00:00:${(index + 16).toString(16)}`,
      hostDevice: { name: taps[index] ?? "", kind: "tap" },
      isForMetadata: parts.forMetadata && index === 0,
    }),
  ),
  ports: [],
  guest: undefined,
});

const base64 = (text: string): string => Buffer.from(text, "utf8").toString("base64");
