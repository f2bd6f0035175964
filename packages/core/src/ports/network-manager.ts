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
   * Makes the host device exist, up and attached; the TAP of a metadata interface up, and attached to nothing. What is
   * half-made is completed.
   * @throws FlintlockError `unsupported` – no CAP_NET_ADMIN; `failed_precondition` – the bridge or parent is missing, or
   *   a device of another kind has the name
   */
  ensure(owner: LinkOwner, iface: NetworkInterface, signal: AbortSignal): Promise<InterfaceStatus>;
  /** Absent is success; a device of another kind is none of ours, and stays. */
  remove(owner: Uid, deviceId: string, signal: AbortSignal): Promise<void>;
  /** Device ids of those `interfaces` whose host end is whole. */
  observe(owner: Uid, interfaces: readonly NetworkInterface[]): Promise<ReadonlySet<string>>;
}

/** Whose device it is; a record is one. */
export interface LinkOwner {
  readonly uid: Uid;
  /**
   * The unprivileged process that will open a TAP by its name; undefined = the daemon's own user. It is fixed when the
   * device is made.
   */
  readonly user?: HostUser | undefined;
}

/** Numbers on the host. The kernel lets a process open a TAP that is of this user and in this group. */
export interface HostUser {
  readonly uid: number;
  readonly gid: number;
}
