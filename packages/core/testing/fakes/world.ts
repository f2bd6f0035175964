import {
  type Capability,
  type CreateInput,
  countedUse,
  Expirer,
  type ExtensionInput,
  eventUseCases,
  type GuestSessions,
  type LogReader,
  type MicroVM,
  type MicroVMState,
  microvmUseCases,
  noQuotas,
  type ProviderWish,
  type Quotas,
  Reconciler,
  Repository,
  type SpecLimits,
  type StateStore,
  silentLog,
  type Telemetry,
  tellEach,
  type Uid,
} from "@flintlock/core";
import { FakeSeeds, fakeCloudInit } from "./fake-cloud-init.ts";
import { FakeHost, FakeImages } from "./fake-host.ts";
import { FakeProbe } from "./fake-probe.ts";
import { ManualClock } from "./manual-clock.ts";
import { MemoryStore } from "./memory-store.ts";
import { RecordedTelemetry } from "./recorded-telemetry.ts";
import { SeqIds } from "./seq-ids.ts";
import { SimulatedProvider } from "./simulated-provider.ts";

export const SIMULATED_LIMITS: SpecLimits = {
  maxVcpu: 64,
  maxMemoryMib: 32_768,
  providers: ["simulated"],
  defaultProvider: "simulated",
  bundledKernel: "flintlock.local/kernel:latest",
  bundledRoot: "flintlock.local/busybox:latest",
};

/** A host in memory: what outlives a daemon (store, machines, directories) and one daemon's core on top. */
export class World {
  readonly clock = new ManualClock();
  readonly store: StateStore = new MemoryStore();
  readonly host = new FakeHost();
  readonly images = new FakeImages();
  readonly seeds = new FakeSeeds();
  readonly probe = new FakeProbe();
  readonly provider: SimulatedProvider;
  /** All of them, those first that "auto" prefers; to be filled before a daemon starts */
  readonly providers: SimulatedProvider[];
  defaultProvider: ProviderWish = "simulated";
  readonly ids = new SeqIds();
  /** To be set before a daemon starts */
  quotas: Quotas = noQuotas;
  /** To be set before a daemon starts */
  sessions: GuestSessions = noSessions;
  readonly telemetry = new RecordedTelemetry();
  readonly #listeners: Telemetry[] = [this.telemetry];

  /** The next daemons tell this one too. */
  listen(telemetry: Telemetry): void {
    this.#listeners.push(telemetry);
  }

  /** `capabilities`: the provider's, where they are not its usual ones. */
  constructor(capabilities?: readonly Capability[]) {
    this.provider = new SimulatedProvider(this.clock, capabilities);
    this.providers = [this.provider];
  }

  /** A daemon starts on this host. Close its reconciler before the next one. */
  async daemon() {
    const providers = new Map(this.providers.map((each) => [each.traits.name, each]));
    const { repository, bad } = await Repository.open(this.store, this.clock);
    const ports = {
      repository,
      providers,
      images: this.images,
      volumes: this.host,
      directories: this.host,
      network: this.host,
      cloudInit: fakeCloudInit,
      probe: this.probe,
      seeds: this.seeds,
      sharedDirectories: this.host,
      clock: this.clock,
      log: silentLog,
      telemetry: tellEach(this.#listeners),
    };
    const reconciler = new Reconciler(ports, { limits: { bootMachine: 2 }, deleteGraceMs: 1000 });
    const expirer = new Expirer(ports, (uid) => reconciler.poke(uid));
    const uncounted = microvmUseCases({
      ports,
      ids: this.ids,
      hostPorts: this.host,
      limits: {
        ...SIMULATED_LIMITS,
        providers: [...providers.keys()],
        defaultProvider: this.defaultProvider,
      },
      hasUniqueNames: false,
      quotas: this.quotas,
      poke: (uid) => reconciler.poke(uid),
      idle: (uid) => reconciler.idle(uid),
      sessions: this.sessions,
      logs: noLogs,
    });
    reconciler.resync();
    const microvms = countedUse(uncounted, expirer);
    const events = eventUseCases({ repository, clock: this.clock });
    return { repository, reconciler, expirer, microvms, events, bad };
  }
}

const noSessions: GuestSessions = {
  attach: () => Promise.reject(new Error("a simulated guest has no agent")),
  exec: () => Promise.reject(new Error("a simulated guest has no agent")),
  forward: () => Promise.reject(new Error("a simulated guest has no agent")),
  extensions: () => Promise.reject(new Error("a simulated guest has no agent")),
  copyOut: () => {
    throw new Error("a simulated guest has no agent");
  },
  copyIn: () => Promise.reject(new Error("a simulated guest has no agent")),
  stats: () => Promise.reject(new Error("a simulated guest has no agent")),
};

const noLogs: LogReader = {
  async *read() {},
};

/** A valid v1alpha1 request; `changes` make it what the test is about. */
export const wireInput = (changes: Partial<CreateInput> = {}): CreateInput => ({
  id: "web",
  namespace: "ns",
  labels: {},
  vcpu: 1,
  memoryInMb: 1024,
  kernel: { image: "example.test/kernel:1", filename: "boot/vmlinux", cmdline: {}, addNetworkConfig: false },
  initrd: undefined,
  rootVolume: {
    id: "root",
    isReadOnly: false,
    mountPoint: undefined,
    containerSource: "example.test/root:1",
    virtiofsSource: undefined,
    partitionId: undefined,
    sizeInMb: undefined,
  },
  additionalVolumes: [],
  interfaces: [],
  metadata: {},
  provider: "",
  allowGuestAgent: false,
  extension: undefined,
  ...changes,
});

export const extension = (changes: Partial<ExtensionInput> = {}): ExtensionInput => ({
  command: undefined,
  entrypoint: undefined,
  env: {},
  user: "",
  cwd: "",
  tty: false,
  attach: false,
  ports: [],
  restart: "",
  pull: "",
  ...changes,
});

/** Lets everything run that needs no time to pass. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 300; i++) await Promise.resolve();
};

export const stateOf = (find: (uid: Uid) => MicroVM | undefined, uid: Uid): MicroVMState | "gone" =>
  find(uid)?.status.state ?? "gone";
