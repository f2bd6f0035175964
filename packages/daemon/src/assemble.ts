/**
 * COMPOSITION ROOT: with `main.ts` the only place where adapters meet. Read it as the wiring diagram.
 */
import { mkdir } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import {
  askCandidates,
  countedUse,
  Expirer,
  eventUseCases,
  type HostInfo,
  hostUseCases,
  type ImageLoader,
  type ImageStore,
  imageUseCases,
  type Log,
  MICROVM_FIELDS,
  microvmUseCases,
  type NetworkManager,
  type Ports,
  PROBE_NAMESPACE,
  type Provider,
  type ProviderName,
  type Quotas,
  Reconciler,
  Repository,
  type SeedDisks,
  type SharedDirectories,
  type UseCases,
  type VmDirectories,
  type VolumeStore,
} from "@flintlock/core";
import { FakeHost, FakeImages, FakeSeeds, SimulatedProvider } from "@flintlock/core/testing";
import { cloudInit } from "./adapters/cloud-init/documents.ts";
import { attach, exec, extensions, forward } from "./adapters/guest/agent.ts";
import { copyIn, copyOut } from "./adapters/guest/copy.ts";
import { guestProbe } from "./adapters/guest/probe.ts";
import { stats } from "./adapters/guest/stats.ts";
import { hostPorts } from "./adapters/host/host-ports.ts";
import { hostProbes } from "./adapters/host/host-probes.ts";
import { createImageDisks } from "./adapters/images/disk/image-disks.ts";
import { createImageStore } from "./adapters/images/image-store.ts";
import { logReader } from "./adapters/logs/log-reader.ts";
import { createNetworkManager } from "./adapters/network/network-manager.ts";
import { createCloudHypervisorProvider } from "./adapters/providers/cloudhypervisor/provider.ts";
import { createFirecrackerProvider } from "./adapters/providers/firecracker/provider.ts";
import { createQemuProvider } from "./adapters/providers/qemu/provider.ts";
import { createSharedRoots } from "./adapters/providers/shared/shared-directories.ts";
import { createVirtiofs, type Virtiofs } from "./adapters/providers/shared/virtiofsd.ts";
import type { VmmProvider } from "./adapters/providers/shared/vmm-provider.ts";
import { LevelStore } from "./adapters/store/level-store.ts";
import { systemClock } from "./adapters/time/system-clock.ts";
import { ulidSource } from "./adapters/time/ulid-source.ts";
import { createSeedDisks } from "./adapters/volumes/seed-disks.ts";
import { createVmDirectories } from "./adapters/volumes/vm-directories.ts";
import { createVolumeStore } from "./adapters/volumes/volume-store.ts";
import { BUNDLED_KERNEL, BUNDLED_ROOT, withBundledImages } from "./bundled-images.ts";
import type { Config } from "./config/config.ts";
import type { Lifetime } from "./lifetime.ts";
import type { Observers } from "./observers.ts";
import { BUILD_DATE, COMMIT, VERSION } from "./version.ts";

/** Is never there: it is the reading that counts. */
const READINESS_KEY = "readiness";

/** Everything that touches the host, real or simulated. */
interface Host {
  readonly providers: ReadonlyMap<ProviderName, Provider>;
  readonly images: ImageStore & ImageLoader;
  readonly volumes: VolumeStore;
  readonly seeds: SeedDisks;
  readonly sharedDirectories: SharedDirectories;
  readonly directories: VmDirectories;
  readonly network: NetworkManager;
  /** Undefined when no provider works */
  readonly accelerator: () => Promise<string | undefined>;
}

/** Opens what the daemon stands on, and starts reconciling. What `stack` holds is to be disposed of at the end. */
export const assemble = async (
  {
    config,
    quotas,
    observers,
  }: { readonly config: Config; readonly quotas: Quotas; readonly observers: Observers },
  log: Log,
  life: Lifetime,
): Promise<UseCases> => {
  await mkdir(config.stateDir, { recursive: true, mode: 0o700 });
  // Simulated and real VMs must never meet in one store: each kind of daemon would take the other's for lost.
  const isSimulated = config.defaultProvider === "simulated";
  const storeDir = join(config.stateDir, isSimulated ? "store-simulated" : "store");
  const store = life.add(
    "state store",
    await LevelStore.open(storeDir, (error) => life.fail("state store", error)),
    (it) => it.close(),
  );
  life.readiness.add("store", async () => {
    await store.get(READINESS_KEY);
    return undefined;
  });
  const { repository, bad } = await Repository.open(store, systemClock, config.keptEvents);
  for (const { key, error } of bad)
    log.error("a record cannot be read and is left alone", { key, error: String(error) });

  const found = isSimulated ? simulatedHost() : await realHost(config, log, life);
  const host = { ...found, images: observers.images(found.images) };
  const { telemetry } = observers;
  const ports = { ...host, repository, cloudInit, probe: guestProbe, clock: systemClock, log, telemetry };
  const reconciler = config.hasReconciler ? startReconciler(ports, config, life) : undefined;
  const expirer = reconciler && new Expirer(ports, (uid) => reconciler.poke(uid));
  if (expirer !== undefined) life.add("expirer", expirer, async (it) => it.close());
  if (reconciler !== undefined) observers.watch(() => reconciler.load());
  if (reconciler === undefined) {
    log.warn("nothing is reconciled: microVMs are recorded, and the host is left alone");
    life.readiness.add("reconciler", () => "disabled");
  }

  // The first question takes a moment: asked now, the first request need not wait for it.
  void sayProviders(host.providers, config, log);
  const uncounted = microvmUseCases({
    ports,
    ids: ulidSource(),
    hostPorts,
    limits: {
      maxVcpu: MICROVM_FIELDS.vcpu.max,
      maxMemoryMib: config.maxMemoryMib,
      providers: [...host.providers.keys()],
      defaultProvider: config.defaultProvider,
      bundledKernel: BUNDLED_KERNEL,
      bundledRoot: BUNDLED_ROOT,
    },
    hasUniqueNames: config.hasUniqueNames,
    quotas,
    poke: (uid) => reconciler?.poke(uid),
    idle: async (uid) => await reconciler?.idle(uid),
    sessions: { attach, exec, extensions, forward, copyIn, copyOut, stats },
    logs: logReader,
  });
  const microvms = expirer === undefined ? uncounted : countedUse(uncounted, expirer);
  if (reconciler !== undefined) {
    reconciler.resync();
    for (const { uid } of await microvms.list({ namespace: PROBE_NAMESPACE, name: undefined, labels: {} })) {
      await microvms.deleteByUid(uid);
    }
  }

  return {
    microvms,
    events: eventUseCases({ repository, clock: systemClock }),
    images: imageUseCases({ store: host.images, loader: host.images, repository }),
    host: hostUseCases({
      info: () => hostInfo(config, host),
      probes: hostProbes({
        stateDir: config.stateDir,
        bundledImages: () => bundledImages(host.images),
      }),
      microvms,
      clock: systemClock,
    }),
  };
};

const sayProviders = async (
  providers: Host["providers"],
  { defaultProvider }: Config,
  log: Log,
): Promise<void> => {
  for (const { traits, availability } of await askCandidates({ providers, clock: systemClock })) {
    const { isUsable, reason, hint } = availability;
    const isMissed = !isUsable && (traits.name === defaultProvider || providers.size === 1);
    const say = isMissed ? log.warn : log.info;
    say(isUsable ? "provider works" : "provider does not work here", { provider: traits.name, reason, hint });
  }
};

const startReconciler = (ports: Ports, config: Config, life: Lifetime): Reconciler => {
  const reconciler = new Reconciler(ports, {
    limits: { bootMachine: config.maxParallelBoots, prepareVolume: cpus().length },
    deleteGraceMs: config.deleteGraceMs,
    maxRetry: config.maxRetry,
  });
  life.add("reconciler", reconciler, (it) => it.close());
  const timer = setInterval(() => {
    try {
      reconciler.resync();
    } catch (error) {
      life.fail("reconciler", error);
    }
  }, config.resyncMs).unref();
  life.add("resync timer", timer, async (it) => clearInterval(it));
  life.readiness.add("reconciler", () => {
    if (reconciler.isClosed) throw new Error("has stopped");
    return undefined;
  });
  return reconciler;
};

const realHost = async (config: Config, log: Log, life: Lifetime): Promise<Host> => {
  const images = withBundledImages(
    await createImageStore({
      root: join(config.stateDir, "images"),
      insecureRegistries: config.insecureRegistries,
      dockerConfigPath: config.dockerConfigPath,
      platform: { os: "linux", architecture: process.arch === "arm64" ? "arm64" : "amd64" },
      disks: createImageDisks({ workerUrl: diskWorkerUrl() }),
      log: log.child({ component: "images" }),
    }),
    config.guestImagesDir,
  );
  const virtiofs = createVirtiofs({
    binaries: config.virtiofsBinaries,
    roots: createSharedRoots(config.virtiofsRoots),
    log: log.child({ component: "virtiofs" }),
  });
  life.add("virtiofs", virtiofs, async (it) => it.close());
  const { providers, qemu } = realProviders(config, virtiofs, log, life);
  return {
    providers,
    images,
    volumes: createVolumeStore(),
    seeds: createSeedDisks(),
    sharedDirectories: virtiofs,
    directories: createVmDirectories(config.stateDir),
    network: createNetworkManager({
      bridge: config.bridgeName,
      allowedBridges: config.allowedBridges,
      parent: config.parentInterface,
    }),
    // QEMU's probe is the only one that tells KVM from emulation; without QEMU, what works needs KVM.
    accelerator: async () => {
      const signal = new AbortController().signal;
      const probed = await qemu.accelerator(signal).catch(() => undefined);
      if (probed !== undefined) return probed.accelerator;
      const answers = await Promise.all([...providers.values()].map((each) => each.availability(signal)));
      return answers.some(({ isUsable }) => isUsable) ? "kvm" : undefined;
    },
  };
};

/**
 * All that this daemon knows, those first that "auto" prefers: small VMMs start sooner and take less. Making one asks nothing
 * of the host: whether it works here is for its `availability`.
 */
const realProviders = (config: Config, virtiofs: Virtiofs, log: Log, life: Lifetime) => {
  const agentSocketsDir = join(config.stateDir, "vsock");
  const common = { bootDeadlineMs: BOOT_DEADLINE_MS, agentSocketsDir, virtiofs };
  const qemu = createQemuProvider({
    ...common,
    binary: config.qemuBinary,
    accelerator: config.accelerator,
    stateFile: join(config.stateDir, "accelerator.json"),
    log: log.child({ component: "qemu" }),
  });
  // A device that opens proves nothing (qemu/accelerator.ts); where QEMU is there, it has tried. A guess condemns nobody.
  const kvmObstacle = async (signal: AbortSignal): Promise<string | undefined> => {
    if (config.accelerator !== "auto") return undefined;
    const probed = await qemu.accelerator(signal).catch(() => undefined);
    return probed?.accelerator === "tcg" && probed.isGuess !== true ? probed.reason : undefined;
  };
  const cloudHypervisor = createCloudHypervisorProvider({
    ...common,
    binaries: config.cloudHypervisorBinaries,
    kvmObstacle,
    log: log.child({ component: "cloudhypervisor" }),
  });
  const firecracker = createFirecrackerProvider({
    ...common,
    ...config.firecracker,
    kvmObstacle,
    kernelsDir: join(config.stateDir, "kernels"),
    log: log.child({ component: "firecracker" }),
  });
  const providers: readonly VmmProvider[] = [firecracker, cloudHypervisor, qemu];
  for (const provider of providers) {
    life.add(`${provider.traits.name} provider`, provider, (it) => it.close());
  }
  return { providers: new Map(providers.map((each) => [each.traits.name, each])), qemu };
};

/**
 * The boot watchdog. An emulated guest takes some 3 s alone on a core and a minute among sixteen; this is for those that
 * will never come up.
 */
const BOOT_DEADLINE_MS = 120_000;

/** No VMs, no images, no privileges: the same core and API, for benchmarks and for those who build on the API. */
const simulatedHost = (): Host => {
  const fake = new FakeHost();
  const images = Object.assign(new FakeImages(), { load: async () => [], loadLayout: async () => [] });
  return {
    providers: new Map([["simulated", new SimulatedProvider(systemClock)]]),
    images,
    volumes: fake,
    seeds: new FakeSeeds(),
    sharedDirectories: fake,
    directories: fake,
    network: fake,
    accelerator: async () => undefined,
  };
};

const hostInfo = async (config: Config, host: Host): Promise<HostInfo> => ({
  version: VERSION,
  buildDate: BUILD_DATE,
  commitHash: COMMIT,
  stateDir: config.stateDir,
  pid: process.pid,
  providers: (await askCandidates({ providers: host.providers, clock: systemClock })).map(
    ({ traits: { name }, availability }) => ({ name, ...availability }),
  ),
  defaultProvider: config.defaultProvider,
  accelerator: (await host.accelerator()) ?? "none",
  maxMemoryMib: config.maxMemoryMib,
  uptimeMs: Math.round(process.uptime() * 1000),
});

const bundledImages = async (images: ImageStore) => {
  const signal = new AbortController().signal;
  return Promise.all(
    [BUNDLED_KERNEL, BUNDLED_ROOT].map(async (reference) => ({
      reference,
      isPresent: await images.pull(reference, { policy: "never" }, signal).then(
        () => true,
        () => false,
      ),
    })),
  );
};

/** Bundled, the worker lies beside us as JavaScript; run from source, the work is done in this thread. */
const diskWorkerUrl = (): URL | undefined => {
  const here = fileURLToPath(import.meta.url);
  return here.endsWith(".js") ? pathToFileURL(join(here, "../disk-worker.js")) : undefined;
};
