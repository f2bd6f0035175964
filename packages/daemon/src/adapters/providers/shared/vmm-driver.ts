/** What one kind of VMM does its own way; `vmm-provider.ts` makes a whole provider of it. */
import type {
  Adjustable,
  AgentSocket,
  Availability,
  ByteStream,
  HostUser,
  Leeway,
  Machine,
  MachineMetric,
  MachineRef,
  MachineSettings,
  MeteredMachine,
  MetricScope,
  ProviderTraits,
} from "@flintlock/core";
import type { LogBounds } from "./bounded-log.ts";
import type { VmmIdentity, VmmJail, VmmProcesses } from "./vmm-process.ts";

/** The very VMM that was seen to run, not one that comes after it. */
export interface AttendedVmm {
  isAlive(): Promise<boolean>;
  /** Ends it without asking; `reason` is what its end is put down to */
  end(reason: string): Promise<void>;
}

/** Gives a VMM that runs what `machine` says of one setting; `applied`: what it has. Idempotent. */
export type Adjuster = (
  machine: Machine,
  vmm: { readonly applied: MachineSettings; readonly identity: VmmIdentity },
  signal: AbortSignal,
) => Promise<void>;

export type Adjusters = { readonly [K in Adjustable]?: Adjuster };

export interface VmmDriver {
  readonly traits: Omit<ProviderTraits, "adjusts">;
  /** What can be changed of a VMM that runs */
  readonly adjusters: Adjusters;
  /** How far the machine, as it is launched next, can be changed while it runs */
  leeway?(machine: Machine, signal: AbortSignal): Promise<Leeway>;
  readonly agentSocket: AgentSocket;
  /** Files of a VM's directory that grow while it runs, with their bounds; undefined = the default ones */
  readonly logs: Readonly<Record<string, LogBounds | undefined>>;
  /** Those that tell why a boot failed: name as shown, then file */
  readonly lastWords: Readonly<Record<string, string>>;
  availability(signal: AbortSignal): Promise<Availability>;
  /** What is in the command line of this VM's VMM, and of no other process */
  marker(uid: string): string;
  /** As in the port (core: ports/provider.ts) */
  hostUser?(ref: MachineRef): Promise<HostUser | undefined>;
  /** Where else than in its directory this VM's VMM may be */
  jail?(ref: MachineRef): Promise<VmmJail | undefined>;
  /**
   * Starts the VMM in a directory whose earlier one, if any, has ended; resolves when the guest executes. What an
   * earlier run left there is not taken for this one's.
   */
  launch(machine: Machine, processes: VmmProcesses, signal: AbortSignal): Promise<VmmIdentity>;
  /** False: the guest does not execute yet, because a daemon ended in the middle of `launch`. Asked of a running VMM */
  hasLaunched(ref: MachineRef, identity: VmmIdentity): Promise<boolean>;
  /**
   * Takes up what this daemon does beside a VMM that runs, such as keeping its console's log; called whenever one is seen
   * to run. Idempotent and soon
   */
  attend?(ref: MachineRef, vmm: AttendedVmm): Promise<void>;
  /** Asks a guest that is not ours to end; resolves when it was asked, as far as one can know */
  pressPowerButton(ref: MachineRef, signal: AbortSignal): Promise<void>;
  /** Idempotent; of a VMM that runs */
  setPaused(ref: MachineRef, isPaused: boolean, signal: AbortSignal, identity: VmmIdentity): Promise<void>;
  /** False when the VMM does not say; soon */
  isPaused(ref: MachineRef, identity: VmmIdentity): Promise<boolean>;
  /** Whether the VMM, whose end nobody saw, has left the signs of an end in good order */
  endedWell(directory: string): Promise<boolean>;
  /** Takes back what the VMM had of the host besides its process and directory; after each end, absent is success */
  tidy(ref: MachineRef): Promise<void>;
  metrics(
    machine: MeteredMachine,
    identity: VmmIdentity,
    scope: MetricScope,
    signal: AbortSignal,
  ): Promise<readonly MachineMetric[]>;
  connect(ref: MachineRef, port: number, signal: AbortSignal): Promise<ByteStream>;
  console(ref: MachineRef, signal: AbortSignal): Promise<ByteStream>;
  close(): Promise<void>;
}
