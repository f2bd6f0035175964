import type { PortPublication } from "../domain/microvm.ts";

/** TCP and UDP ports of the host. */
export interface HostPorts {
  /**
   * Returns the publication with a port that is free now: the asked one, or one the kernel picks when it is 0.
   * @throws FlintlockError `failed_precondition` – the asked port is taken, or not ours to take
   */
  choose(publication: PortPublication): Promise<PortPublication>;
}
