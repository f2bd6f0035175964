/** Asks the host what exists of one microVM. Nothing is remembered from one call to the next. */
import type { MicroVM } from "../domain/microvm.ts";
import { imagesOf, linkedInterfaces } from "../domain/spec-parts.ts";
import type { OciReference } from "../domain/units.ts";
import type { AgentSocketState } from "../ports/provider.ts";
import type { Observed, ObservedMachine } from "./plan.ts";
import type { Ports } from "./ports.ts";
import { providerOf } from "./ports.ts";

export const observe = async (vm: MicroVM, ports: Ports): Promise<Observed> => {
  const directory = ports.directories.path(vm);
  const linked = linkedInterfaces(vm.spec);
  const hasDirectory = await ports.directories.exists(vm);
  const [machine, images, volumes, interfaces, agentSocket] = await Promise.all([
    hasDirectory ? observeMachine(vm, directory, ports) : { state: "absent" as const },
    observeImages(vm, ports),
    hasDirectory ? ports.volumes.observe(directory) : new Map<string, number>(),
    linked.length === 0 ? new Set<string>() : ports.network.observe(vm.uid, linked),
    observeAgentSocket(vm, directory, ports),
  ]);
  return { machine, images, volumes, interfaces, agentSocket, hasDirectory };
};

/** Asked only of those that can have one: most have none. */
const observeAgentSocket = async (vm: MicroVM, directory: string, ports: Ports): Promise<AgentSocketState> =>
  vm.spec.allowGuestAgent ? providerOf(ports, vm).agentSocket.observe({ uid: vm.uid, directory }) : "absent";

/** What the host says of the machine of one that has a directory. */
export const observeMachine = async (
  vm: MicroVM,
  directory: string,
  ports: Ports,
): Promise<ObservedMachine> => {
  const provider = providerOf(ports, vm);
  const machine = await provider.observe({ uid: vm.uid, directory });
  switch (machine.state) {
    case "absent":
      return { state: "absent" };
    case "running":
      return {
        state: machine.isReady ? "ready" : "booting",
        isPaused: machine.isPaused,
        ...(machine.settings !== undefined && {
          live: { ...machine.settings, can: provider.traits.adjusts },
        }),
      };
    case "exited":
      return machine;
  }
};

const observeImages = async (vm: MicroVM, ports: Ports): Promise<ReadonlySet<OciReference>> => {
  const present = new Set<OciReference>();
  for (const reference of imagesOf(vm.spec)) {
    const digest = vm.status.images[reference];
    if (digest !== undefined && (await ports.images.find(digest)) !== undefined) present.add(reference);
  }
  return present;
};
