/**
 * A provider drives one kind of VMM. It keeps no memory of its machines: everything is found again from
 * the VM's directory, the process table and the VMM's socket, so a new daemon adopts what an old one left.
 *
 * Every method is idempotent and takes a signal; each may be called by a daemon that did not start the VMM.
 */
import type { GuestConfig } from "../domain/guest-config.ts";
import type { Adjustable, LiveSettings, MachineSettings } from "../domain/machine-settings.ts";
import type { GuestExit, ProviderName } from "../domain/microvm.ts";
import type { Uid } from "../domain/units.ts";
import type { HostUser } from "./network-manager.ts";
import type { Disk, DiskFormat } from "./volume-store.ts";

export type Capability =
  /** Starts by itself once created */
  | "auto-start"
  /** Has a metadata service at 169.254.169.254 */
  | "metadata-service"
  /** Can be given a macvtap descriptor */
  | "macvtap"
  | "virtiofs"
  /** Can be told by name to give the guest further processor features */
  | "cpu-features"
  /** Knows KVM's capabilities by number */
  | "kvm-capabilities"
  | "vsock"
  /** Keeps `RateLimits` */
  | "rate-limits"
  /** Keeps those of them that are for disks */
  | "disk-limits"
  /** Can take memory back from a running guest */
  | "balloon"
  /** Has a network of its own that needs no privilege, with published ports */
  | "user-network";

export interface ProviderTraits {
  readonly name: ProviderName;
  readonly capabilities: ReadonlySet<Capability>;
  /** Disk formats it opens, the preferred first */
  readonly diskFormats: readonly DiskFormat[];
  readonly maxVcpu: number;
  /** What it changes of a machine that runs */
  readonly adjusts: ReadonlySet<Adjustable>;
}

export interface MachineDisk extends Disk {
  readonly volumeId: string;
  /** The file system is the one partition of the disk, with this UUID; absent: it is the whole disk */
  readonly partitionId?: string | undefined;
}

export interface MachineInterface {
  readonly deviceId: string;
  readonly mac: string;
  /** Undefined = the provider's user-mode network */
  readonly hostDevice: HostDevice | undefined;
  /** The guest asks for its metadata over it, where the provider has a service for that */
  readonly isForMetadata?: boolean;
}

/** A directory of the host that the guest mounts by virtiofs. */
export interface MachineFilesystem {
  readonly volumeId: string;
  /** What the guest mounts it by, at most 36 bytes (virtio 1.2, 5.11.4) */
  readonly tag: string;
  /** Absolute; the operator has allowed it */
  readonly hostPath: string;
  readonly isReadOnly: boolean;
}

export interface HostDevice {
  readonly name: string;
  readonly kind: "tap" | "macvtap";
  /** Bytes, to be the guest's as well; undefined = the VMM's own choice */
  readonly mtu?: number | undefined;
}

/** All a VMM needs, as host paths and numbers; made by `machineOf`, pure. */
export interface Machine extends MachineSettings {
  readonly uid: Uid;
  /** For the process's name only */
  readonly label: string;
  /** Owned by this VM, mode 0700 */
  readonly directory: string;
  readonly kernelPath: string;
  readonly initrdPath: string | undefined;
  readonly cmdline: Readonly<Record<string, string>>;
  /** In place of every default that the machine can do without; what `cmdline` has and this lacks is added to it */
  readonly wholeCmdline?: string | undefined;
  /** Root first, then the additional volumes in order: /dev/vda, /dev/vdb, … */
  readonly disks: readonly MachineDisk[];
  /** For cloud-init, read-only; attached last, so that it moves no volume */
  readonly seed?: Disk | undefined;
  /** In the order of the volumes; none has a place among the disks */
  readonly filesystems?: readonly MachineFilesystem[];
  /** Processor features besides those the guest has anyway */
  readonly cpuFeatures?: readonly string[];
  /** Capabilities of KVM, by number, that it goes without */
  readonly disabledKvmCapabilities?: readonly string[];
  /** What the metadata service answers under `/latest/`, by key; undefined = the provider has none */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Programs of the host may talk to the guest's agent (`AgentSocket`), whoever wrote it */
  readonly hasAgentSocket?: boolean;
  readonly interfaces: readonly MachineInterface[];
  /** Handed to our initrd; undefined when the initrd is not ours */
  readonly guest: GuestConfig | undefined;
}

/** What the host says of a machine, asked anew each time. */
export type MachineState =
  | { readonly state: "absent" }
  | {
      readonly state: "running";
      readonly isReady: boolean;
      /** Its processors stand still. False when the VMM does not say: then other calls will find out */
      readonly isPaused: boolean;
      readonly pid: number;
      /** Undefined = not known, as of a VMM that an older daemon started */
      readonly settings?: LiveSettings | undefined;
    }
  /** `wasReady`: the guest had reported ready before it ended, so this was a run, not a failed boot */
  | { readonly state: "exited"; readonly exit: GuestExit; readonly wasReady: boolean };

/** Whom to ask about: enough to find the machine without a record. */
export interface MachineRef {
  readonly uid: Uid;
  readonly directory: string;
}

/** A machine and the names that its numbers go by. */
export interface MeteredMachine extends MachineRef {
  /** Root first, in the order of `Machine.disks` */
  readonly volumeIds: readonly string[];
  readonly interfaces: readonly {
    readonly deviceId: string;
    /** Name of the host's end; undefined = the provider's user-mode network */
    readonly hostDevice: string | undefined;
  }[];
}

/**
 * One number of a machine, such as `read_bytes` of `block_root`. COMPAT: groups and keys as Firecracker and Cloud
 * Hypervisor name them (`net_eth1`, `_disk0`), for dashboards show `<group>_<key>`.
 */
export interface MachineMetric {
  readonly group: string;
  readonly key: string;
  /** An integer */
  readonly value: number;
  /** A counter rises while the VMM lives; "untyped" where the VMM does not say */
  readonly kind: "counter" | "gauge" | "untyped";
  /** One sentence, without a full stop */
  readonly help: string;
}

/** "vmm": only what the VMM's process takes of the host, without asking the VMM; "all" adds what the VMM counts. */
export type MetricScope = "vmm" | "all";

/** Group of what the VMM's process takes; every provider has its keys `cpu_milliseconds` and `resident_bytes` at least. */
export const VMM_GROUP = "vmm_process";

/** A byte stream to the guest. */
export interface ByteStream extends AsyncDisposable {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Resolves once the bytes are accepted; waits while the guest does not read. */
  write(bytes: Uint8Array): Promise<void>;
  /** Half-closes: the guest reads end of file. */
  end(): Promise<void>;
}

/** "stale": there is a file and nobody answers. */
export type AgentSocketState = "absent" | "stale" | "open";

/**
 * The way to the guest's agent for programs on this host: a Unix socket, owner only, that speaks Firecracker's protocol:
 * `CONNECT <port>`, a newline, the answer `OK <number>`, a newline, then bytes. Its path is made of the uid alone. A
 * VMM that has one of its own serves it; for another the provider does, and its end is the daemon's.
 */
export interface AgentSocket {
  observe(ref: MachineRef): Promise<AgentSocketState>;
  /** Makes it answer, in place of a stale one, and returns its path. */
  open(ref: MachineRef, signal: AbortSignal): Promise<string>;
  /** Cuts who is connected. Absent is success. */
  close(ref: MachineRef): Promise<void>;
}

/** Whether guests can run on this host, and what made us think so: a sentence for an operator. */
export interface Availability {
  readonly isUsable: boolean;
  readonly reason: string;
  /** What to do about it: to install, load or set. Of a usable one: what would make it better */
  readonly hint?: string | undefined;
}

export interface Provider {
  readonly traits: ProviderTraits;
  /** Asks the host, once: program, version, KVM. Quick enough for a request; never throws for what the host lacks. */
  availability(signal: AbortSignal): Promise<Availability>;
  readonly agentSocket: AgentSocket;
  /**
   * As whom the machine's VMM runs and opens its TAP devices, the same for its whole life; undefined, or no such method =
   * the daemon's own user.
   */
  hostUser?(ref: MachineRef): Promise<HostUser | undefined>;
  /**
   * Starts the VMM, or finds it running. Resolves when the VMM executes the guest.
   * @throws FlintlockError `provider_failed` – the VMM refused; cause has its words
   */
  start(machine: Machine, signal: AbortSignal): Promise<void>;
  /**
   * Resolves when the guest is ready: our init reports so, or, when the initrd is not ours, the VMM runs.
   * @throws FlintlockError `provider_failed` – the guest ended first; `failed_precondition` – its init says why it
   *   cannot go on; `deadline_exceeded` – the boot watchdog
   */
  awaitReady(machine: Machine, signal: AbortSignal): Promise<void>;
  /**
   * Asks the guest, then TERM, then KILL; `graceMs` for the whole. Takes back what a VMM, also one that ended by itself,
   * had of the host besides its directory. Absent is success.
   */
  stop(ref: MachineRef, graceMs: number, signal: AbortSignal): Promise<void>;
  /** Stops the guest's processors; paused is success. @throws FlintlockError `failed_precondition` – it does not run */
  pause(ref: MachineRef, signal: AbortSignal): Promise<void>;
  /** Lets it go on, and its clock catch up; running is success. @throws FlintlockError `failed_precondition` */
  resume(ref: MachineRef, signal: AbortSignal): Promise<void>;
  /**
   * Brings a machine that runs to those of its settings that are not as in `machine`, can be changed at once
   * (`adjustmentsOf`), and its guest with it where that is ours. One after the other: what was done shows in
   * `observe` even where the next one failed. Nothing to do is success.
   * @throws FlintlockError `failed_precondition` – it does not run; `provider_failed` – the VMM, or the guest, refused
   */
  adjust(machine: Machine, signal: AbortSignal): Promise<void>;
  observe(ref: MachineRef): Promise<MachineState>;
  /**
   * The machine's numbers now; empty when it does not run. What comes from the VMM or the guest is parsed and bounded.
   * @throws FlintlockError `unavailable`, `provider_failed` – the VMM does not say
   */
  metrics(
    machine: MeteredMachine,
    scope: MetricScope,
    signal: AbortSignal,
  ): Promise<readonly MachineMetric[]>;
  /** Resolves when the VMM process is gone. */
  exited(ref: MachineRef, signal: AbortSignal): Promise<void>;
  /** A stream to a guest port: 1024 is the agent's control port. @throws FlintlockError `unavailable` */
  connect(ref: MachineRef, port: number, signal: AbortSignal): Promise<ByteStream>;
  /** The serial console; one client at a time. @throws FlintlockError `failed_precondition` – it is taken */
  console(ref: MachineRef, signal: AbortSignal): Promise<ByteStream>;
}
