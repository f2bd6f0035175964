import type { InterfaceStatus, MicroVM, NetworkInterface } from "../domain/microvm.ts";
import { type Ports, providerOf } from "./ports.ts";

/** Makes the interface's host end exist, for whoever will open it. */
export const ensureHostDevice = async (
  vm: MicroVM,
  iface: NetworkInterface,
  ports: Ports,
  signal: AbortSignal,
): Promise<InterfaceStatus> => {
  const ref = { uid: vm.uid, directory: ports.directories.path(vm) };
  const user = await providerOf(ports, vm).hostUser?.(ref);
  return await ports.network.ensure({ uid: vm.uid, ...(user !== undefined && { user }) }, iface, signal);
};
