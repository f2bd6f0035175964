/** What the reconciler stands on; `main.ts` of the daemon fills it in. */
import { FlintlockError } from "../domain/errors.ts";
import type { MicroVM, ProviderName } from "../domain/microvm.ts";
import type { Clock } from "../ports/clock.ts";
import type { CloudInit } from "../ports/cloud-init.ts";
import type { GuestProbe } from "../ports/guest-probe.ts";
import type { ImageStore } from "../ports/image-store.ts";
import type { Log } from "../ports/log.ts";
import type { NetworkManager } from "../ports/network-manager.ts";
import type { Provider } from "../ports/provider.ts";
import type { SeedDisks } from "../ports/seed-disks.ts";
import type { SharedDirectories } from "../ports/shared-directories.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import type { VmDirectories } from "../ports/vm-directory.ts";
import type { VolumeStore } from "../ports/volume-store.ts";
import type { Repository } from "../records/repository.ts";

export interface Ports {
  readonly repository: Repository;
  /** Those first that "auto" prefers. One that does not work on this host is among them, and says so when asked */
  readonly providers: ReadonlyMap<ProviderName, Provider>;
  readonly images: ImageStore;
  readonly volumes: VolumeStore;
  readonly directories: VmDirectories;
  readonly network: NetworkManager;
  readonly cloudInit: CloudInit;
  readonly seeds: SeedDisks;
  readonly sharedDirectories: SharedDirectories;
  readonly probe: GuestProbe;
  readonly clock: Clock;
  readonly log: Log;
  readonly telemetry: Telemetry;
}

/** @throws FlintlockError `unsupported` – the daemon was started without the VM's provider */
export const providerOf = (ports: Pick<Ports, "providers">, vm: MicroVM): Provider => {
  const provider = ports.providers.get(vm.spec.provider);
  if (provider !== undefined) return provider;
  throw new FlintlockError("unsupported", `microvm provider ${vm.spec.provider} isn't available`, {
    hint: "start the daemon with it enabled",
  });
};
