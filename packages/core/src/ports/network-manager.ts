/**
 * Host ends of guest interfaces. Names are a function of (uid, deviceId), so a crash leaks nothing that a
 * later `remove` would not find.
 */
import type { InterfaceStatus, NetworkInterface } from "../domain/microvm.ts";
import type { Uid } from "../domain/units.ts";

export interface NetworkManager {
  /**
   * Whether the operator has configured a link for an interface like this. Asks nothing of the host.
   * @throws FlintlockError `permission_denied` – it names a bridge that is not allowed
   */
  serves(iface: NetworkInterface): boolean;
  /**
   * Makes the host device exist, up and attached.
   * @throws FlintlockError `unsupported` – no CAP_NET_ADMIN; `failed_precondition` – the bridge or parent is missing
   */
  ensure(owner: Uid, iface: NetworkInterface, signal: AbortSignal): Promise<InterfaceStatus>;
  /** Absent is success. */
  remove(owner: Uid, deviceId: string, signal: AbortSignal): Promise<void>;
  /** Which of `deviceIds` exist for the owner. */
  observe(owner: Uid, deviceIds: readonly string[]): Promise<ReadonlySet<string>>;
}
