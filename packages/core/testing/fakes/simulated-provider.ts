import type {
  AgentSocket,
  Availability,
  ByteStream,
  Capability,
  Clock,
  GuestExit,
  LiveSettings,
  Machine,
  MachineMetric,
  MachineRef,
  MachineState,
  MeteredMachine,
  MetricScope,
  Provider,
  ProviderName,
  ProviderTraits,
  Room,
  Uid,
} from "@flintlock/core";
import { ADJUSTABLE, adjustmentsOf, FlintlockError, onlySettings, VMM_GROUP } from "@flintlock/core";

/** What the next calls do, in ms and errors; change it while the provider runs. */
export interface Script {
  availability: Availability;
  startMs: number;
  bootMs: number;
  /** "grace": a guest that is deaf, and is ended when its time is over */
  stopMs: number | "grace";
  /** Thrown by `start`; consumed one by one, then none */
  startErrors: Error[];
  /** Thrown by `awaitReady`; likewise */
  bootErrors: Error[];
  /** Thrown by `adjust`, one for each thing it would change; likewise */
  adjustErrors: Error[];
  /** What the machines that are started next can be given while they run */
  room: Room | undefined;
  /** Answers `metrics` instead of what a quiet machine would say */
  metrics: ((machine: MeteredMachine) => Promise<readonly MachineMetric[]>) | undefined;
}

type Simulated =
  | {
      readonly state: "booting" | "ready";
      readonly isPaused: boolean;
      readonly pid: number;
      readonly settings: LiveSettings;
    }
  | { readonly state: "exited"; readonly exit: GuestExit; readonly wasReady: boolean };

/**
 * A provider without VMs: scripted latencies and failures on a clock of the caller's. For testing orchestration, ours
 * and that of others; it passes the provider contract.
 */
export class SimulatedProvider implements Provider {
  readonly traits: ProviderTraits;
  readonly script: Script = {
    availability: { isUsable: true, reason: "simulated" },
    startMs: 0,
    bootMs: 0,
    stopMs: 0,
    startErrors: [],
    bootErrors: [],
    adjustErrors: [],
    room: undefined,
    metrics: undefined,
  };
  /** Every call that had an effect, for assertions such as "started once" */
  readonly calls: string[] = [];
  /** Sees each machine that is started */
  onStart: (machine: Machine) => void = () => undefined;
  readonly #clock: Clock;
  readonly #machines = new Map<Uid, Simulated>();
  readonly #exits = new Map<Uid, Set<() => void>>();
  readonly #sockets = new Set<Uid>();
  #nextPid = 1000;

  constructor(
    clock: Clock,
    capabilities: readonly Capability[] = ["user-network", "macvtap"],
    name: ProviderName = "simulated",
  ) {
    this.traits = {
      name,
      capabilities: new Set(capabilities),
      diskFormats: ["raw"],
      maxVcpu: 64,
      adjusts: new Set(ADJUSTABLE),
    };
    this.#clock = clock;
  }

  /** Only claimed: a simulated guest has no agent to lead to. */
  readonly agentSocket: AgentSocket = {
    observe: async ({ uid }) => (this.#sockets.has(uid) ? "open" : "absent"),
    open: async ({ uid }) => {
      this.#sockets.add(uid);
      return `/nowhere/${uid}.sock`;
    },
    close: async ({ uid }) => void this.#sockets.delete(uid),
  };

  async availability(): Promise<Availability> {
    return this.script.availability;
  }

  async start(machine: Machine, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const existing = this.#machines.get(machine.uid);
    if (existing?.state === "booting" || existing?.state === "ready") return;
    const error = this.script.startErrors.shift();
    if (error !== undefined) throw error;
    if (this.script.startMs > 0) await this.#clock.sleep(this.script.startMs, signal);
    this.calls.push(`start ${machine.uid}`);
    this.onStart(machine);
    this.#machines.set(machine.uid, {
      state: "booting",
      isPaused: false,
      pid: this.#nextPid++,
      settings: { applied: onlySettings(machine), room: this.script.room },
    });
  }

  async awaitReady(machine: Machine, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const error = this.script.bootErrors.shift();
    if (error !== undefined) throw error;
    if (this.script.bootMs > 0) await this.#clock.sleep(this.script.bootMs, signal);
    const simulated = this.#machines.get(machine.uid);
    if (simulated === undefined || simulated.state === "exited") {
      throw new FlintlockError("provider_failed", "the VMM ended before the guest was ready");
    }
    this.#machines.set(machine.uid, { ...simulated, state: "ready" });
  }

  async stop(ref: MachineRef, graceMs: number, signal: AbortSignal): Promise<void> {
    const machine = this.#machines.get(ref.uid);
    if (machine === undefined) return;
    // One that has ended takes no time: it is only tidied up.
    const ms = this.script.stopMs === "grace" ? graceMs : this.script.stopMs;
    if (machine.state !== "exited" && ms > 0) await this.#clock.sleep(ms, signal);
    if (!this.#machines.delete(ref.uid)) return;
    this.calls.push(`stop ${ref.uid}`);
    this.#ended(ref.uid);
  }

  async pause(ref: MachineRef): Promise<void> {
    this.#setPaused(ref, true);
  }

  async resume(ref: MachineRef): Promise<void> {
    this.#setPaused(ref, false);
  }

  #setPaused({ uid }: MachineRef, isPaused: boolean): void {
    const machine = this.#machines.get(uid);
    if (machine === undefined || machine.state === "exited") {
      throw new FlintlockError("failed_precondition", "the microVM does not run");
    }
    if (machine.isPaused === isPaused) return;
    this.calls.push(`${isPaused ? "pause" : "resume"} ${uid}`);
    this.#machines.set(uid, { ...machine, isPaused });
  }

  async adjust(machine: Machine, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const found = this.#machines.get(machine.uid);
    if (found === undefined || found.state === "exited") {
      throw new FlintlockError("failed_precondition", "the microVM does not run");
    }
    for (const kind of adjustmentsOf(machine, found.settings, this.traits.adjusts)) {
      const error = this.script.adjustErrors.shift();
      if (error !== undefined) throw error;
      this.calls.push(`adjust ${kind} ${machine.uid}`);
      const { applied } = this.#up(machine.uid).settings;
      const settings = { ...found.settings, applied: { ...applied, [kind]: machine[kind] } };
      this.#machines.set(machine.uid, { ...this.#up(machine.uid), settings });
    }
  }

  #up(uid: Uid): Extract<Simulated, { readonly settings: LiveSettings }> {
    const machine = this.#machines.get(uid);
    if (machine !== undefined && machine.state !== "exited") return machine;
    throw new FlintlockError("failed_precondition", "the microVM does not run");
  }

  async observe(ref: MachineRef): Promise<MachineState> {
    const machine = this.#machines.get(ref.uid);
    if (machine === undefined) return { state: "absent" };
    if (machine.state === "exited") return machine;
    const { state, isPaused, pid, settings } = machine;
    return { state: "running", isReady: state === "ready", isPaused, pid, settings };
  }

  exited(ref: MachineRef, signal: AbortSignal): Promise<void> {
    const machine = this.#machines.get(ref.uid);
    if (machine === undefined || machine.state === "exited") return Promise.resolve();
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const waiting = this.#exits.get(ref.uid) ?? new Set();
      const giveUp = () => {
        waiting.delete(wake);
        reject(signal.reason);
      };
      const wake = () => {
        signal.removeEventListener("abort", giveUp);
        resolve();
      };
      this.#exits.set(ref.uid, waiting.add(wake));
      signal.addEventListener("abort", giveUp, { once: true });
    });
  }

  async metrics(
    machine: MeteredMachine,
    scope: MetricScope,
    signal: AbortSignal,
  ): Promise<readonly MachineMetric[]> {
    signal.throwIfAborted();
    const simulated = this.#machines.get(machine.uid);
    if (simulated === undefined || simulated.state === "exited") return [];
    return (await this.script.metrics?.(machine)) ?? quietMachine(machine, scope);
  }

  async connect(): Promise<ByteStream> {
    throw new FlintlockError("unavailable", "a simulated guest has no agent");
  }

  async console(): Promise<ByteStream> {
    throw new FlintlockError("unavailable", "a simulated guest has no console");
  }

  /** The guest ends by itself, or, with no code, its VMM dies. */
  end(uid: Uid, code: number | undefined, reason = code === undefined ? "VMM ended" : "guest ended"): void {
    const machine = this.#machines.get(uid);
    if (machine === undefined || machine.state === "exited") return;
    this.#machines.set(uid, {
      state: "exited",
      wasReady: machine.state === "ready",
      exit: { code, reason, at: this.#clock.now() },
    });
    this.#ended(uid);
  }

  get running(): number {
    return [...this.#machines.values()].filter(({ state }) => state !== "exited").length;
  }

  #ended(uid: Uid): void {
    for (const wake of this.#exits.get(uid) ?? []) wake();
    this.#exits.delete(uid);
  }
}

/** A machine that does nothing, in the shape of a real one's numbers. */
const quietMachine = (
  { volumeIds, interfaces }: MeteredMachine,
  scope: MetricScope,
): readonly MachineMetric[] => {
  const counter = (group: string, key: string, help: string): MachineMetric => ({
    group,
    key,
    value: 0,
    kind: "counter",
    help,
  });
  const vmm: readonly MachineMetric[] = [
    counter(VMM_GROUP, "cpu_milliseconds", "Processor time of the VMM process"),
    { ...counter(VMM_GROUP, "resident_bytes", "Resident memory of the VMM process"), kind: "gauge" },
  ];
  if (scope === "vmm") return vmm;
  return [
    ...vmm,
    ...volumeIds.map((id) => counter(`block_${id}`, "read_bytes", "Bytes the guest has read")),
    ...interfaces.map(({ deviceId }) =>
      counter(`net_${deviceId}`, "rx_bytes_count", "Bytes the guest has received"),
    ),
  ];
};
