/**
 * The Cloud Hypervisor provider: KVM, PCI devices, MACVTAP, virtiofs; v41 and newer.
 *
 * Besides what every VMM has in its directory (shared/vmm-provider.ts):
 *
 *     cloudhypervisor.sock  its API       the VMM, which removes it when it ends in good order
 *     vm.json               its VmConfig  we, before each start
 *     status.log            its state     the guest: its last disk
 *     console.log           its console   the daemon, from the VMM's terminal (console.ts)
 *     cloudhypervisor.events              the VMM (reboot-watch.ts)
 *     guest-agent.vsock                   the VMM: the guest's vsock
 *     virtiofs.<n>.sock, virtiofs.log     virtiofsd, one for each filesystem (shared/virtiofsd.ts)
 */
import { access, constants } from "node:fs/promises";
import { totalmem } from "node:os";
import { join } from "node:path";
import { type Capability, type Machine, type Provider, type Room, toFlintlockError } from "@flintlock/core";
import { createAgentLinks } from "../shared/agent-links.ts";
import { KVM_HINT, kvmObstacle } from "../shared/kvm-device.ts";
import { launchWith, type Virtiofs } from "../shared/virtiofsd.ts";
import { VIRTIOFS_LOG } from "../shared/virtiofsd-process.ts";
import type { VmmDriver } from "../shared/vmm-driver.ts";
import { VMM_LOG } from "../shared/vmm-process.ts";
import { createVmmProvider, type VmmProvider, type VmmProviderOptions } from "../shared/vmm-provider.ts";
import { openVsockStream } from "../shared/vsock-stream.ts";
import { cloudHypervisorAdjusters } from "./adjust.ts";
import { API_SOCKET, vmmMarker } from "./args.ts";
import { CONSOLE_LOG, createConsoles } from "./console.ts";
import { launch } from "./launch.ts";
import { machineMetrics } from "./metrics.ts";
import { createRebootWatch, EVENTS_BOUNDS, EVENTS_LOG } from "./reboot-watch.ts";
import { roomOf } from "./room.ts";
import { hasBooted, isPaused, setPaused } from "./run-state.ts";
import { findProgram, isAtLeast, type Program } from "./version.ts";
import { pressPowerButton } from "./vm-api.ts";
import { VSOCK } from "./vm-config.ts";

const CAPABILITIES: readonly Capability[] = ["auto-start", "macvtap", "vsock", "rate-limits", "balloon"];

const traitsOf = (virtiofs: Virtiofs | undefined): VmmDriver["traits"] => ({
  name: "cloudhypervisor",
  capabilities: new Set([...CAPABILITIES, ...(virtiofs?.isAvailable ? (["virtiofs"] as const) : [])]),
  diskFormats: ["raw"],
  maxVcpu: MAX_VCPU,
});

/** Of x86 before v48 (release notes); newer ones take more. */
const MAX_VCPU = 254;

const roomOn = (machine: Machine): Room =>
  roomOf(machine, { maxVcpu: MAX_VCPU, hostMemoryMib: Math.floor(totalmem() / 1024 ** 2) });

export interface CloudHypervisorOptions extends VmmProviderOptions {
  /** Names or paths, of which the first that can be run is taken */
  readonly binaries: readonly string[];
  /** For the links that lead to guests' agents; short: a socket's path has 107 bytes */
  readonly agentSocketsDir: string;
  /** Why no guest runs under KVM here, where somebody has tried; left out or undefined: that its device opens must do */
  readonly kvmObstacle?: (signal: AbortSignal) => Promise<string | undefined>;
  /** Undefined = no directory of the host is shared */
  readonly virtiofs?: Virtiofs | undefined;
}

export const createCloudHypervisorProvider = (options: CloudHypervisorOptions): VmmProvider =>
  createVmmProvider(driverOf(options), options);

const driverOf = (options: CloudHypervisorOptions): VmmDriver => {
  const { binaries, agentSocketsDir, virtiofs, log } = options;
  const consoles = createConsoles(log);
  const reboots = createRebootWatch(log);
  const program = remembered((signal) => findProgram(binaries, signal));
  const connect: Provider["connect"] = async ({ directory }, port, signal) => {
    // Before, a half close ended both directions.
    const halfCloses = isAtLeast((await program(signal)).version, 53);
    return await openVsockStream({ directory, name: VSOCK, halfCloses }, port, signal);
  };

  return {
    traits: traitsOf(virtiofs),
    adjusters: cloudHypervisorAdjusters,

    async leeway(machine, signal) {
      const { version } = await program(signal);
      return { room: roomOn(machine), except: isAtLeast(version, 50) ? [] : ["diskMib"] };
    },
    agentSocket: createAgentLinks({ directory: agentSocketsDir, socketName: VSOCK }),
    logs: {
      [CONSOLE_LOG]: undefined,
      [VMM_LOG]: undefined,
      [EVENTS_LOG]: EVENTS_BOUNDS,
      [VIRTIOFS_LOG]: undefined,
    },
    lastWords: { console: CONSOLE_LOG, VMM: VMM_LOG },

    async availability(signal) {
      try {
        const { version, binary } = await program(signal);
        const obstacle = (await kvmObstacle()) ?? (await options.kvmObstacle?.(signal));
        return obstacle === undefined
          ? { isUsable: true, reason: `${binary} ${version.text}, and /dev/kvm opens` }
          : { isUsable: false, reason: `${binary} ${version.text} needs KVM: ${obstacle}`, hint: KVM_HINT };
      } catch (error) {
        signal.throwIfAborted();
        const { message, hint } = toFlintlockError(error);
        return { isUsable: false, reason: message, hint };
      }
    },

    marker: vmmMarker,

    async launch(machine, processes, signal) {
      const parts = { ...(await program(signal)), processes, consoles, room: roomOn(machine) };
      return await launchWith(virtiofs, machine, signal, () => launch(machine, parts, signal));
    },

    hasLaunched: ({ directory }) => hasBooted(directory),

    async attend(ref, vmm) {
      reboots.add(ref, vmm);
      await virtiofs?.attend(ref, vmm);
      // Whoever looks at a VM shall not wait for a VMM that is slow to answer.
      void consoles.tend(ref);
    },

    pressPowerButton: ({ directory }, signal) => pressPowerButton(directory, signal),

    setPaused: ({ directory }, toPause, signal) => setPaused(directory, toPause, signal),

    isPaused: ({ directory }) => isPaused(directory),

    endedWell: (directory) =>
      access(join(directory, API_SOCKET), constants.F_OK).then(
        () => false,
        () => true,
      ),

    async tidy(ref) {
      consoles.drop(ref);
      await virtiofs?.stop(ref);
    },

    metrics: machineMetrics,

    connect,

    console: (ref, signal) => consoles.open(ref, signal),

    async close() {
      reboots.close();
      consoles.close();
    },
  };
};

/** Asked again only where it failed: a program may be installed while the daemon runs. */
const remembered = (
  ask: (signal: AbortSignal) => Promise<Program>,
): ((signal: AbortSignal) => Promise<Program>) => {
  let answer: Program | undefined;
  return async (signal) => {
    answer ??= await ask(signal);
    return answer;
  };
};
