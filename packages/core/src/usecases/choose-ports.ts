/** Ports of this host for a microVM's publications: free ones, or who has them. */
import { FlintlockError } from "../domain/errors.ts";
import type { MicroVM, PortPublication } from "../domain/microvm.ts";
import type { HostPorts } from "../ports/host-ports.ts";
import type { Ports } from "../reconcile/ports.ts";

/**
 * Each as `HostPorts.choose` gives it. `others`: microVMs of which one may have the port, and may be named to who asks.
 * @throws FlintlockError `failed_precondition` – one is taken, by the microVM that is named where it is one of those
 */
export const choosePorts = async (
  ports: readonly PortPublication[],
  hostPorts: HostPorts,
  others: () => Iterable<MicroVM>,
): Promise<readonly PortPublication[]> => {
  const chosen: PortPublication[] = [];
  for (const port of ports) {
    try {
      chosen.push(await hostPorts.choose(port));
    } catch (error) {
      throw withOwner(error, port, others());
    }
  }
  return chosen;
};

/** Those of one namespace: who asks may not know of others. */
export const neighbours = (
  { repository }: Pick<Ports, "repository">,
  namespace: string,
): readonly MicroVM[] => [...repository.claimed()].filter((vm) => vm.namespace === namespace);

const withOwner = (error: unknown, port: PortPublication, others: Iterable<MicroVM>): unknown => {
  if (!(error instanceof FlintlockError)) return error;
  for (const { namespace, id, spec, run } of others) {
    if (run.state === "stopped" || !spec.ports.some((each) => collide(each, port))) continue;
    return new FlintlockError(error.code, `${error.message}: microvm ${namespace}/${id} publishes it`, {
      detail: error.detail,
      hint: error.hint,
      cause: error.cause,
    });
  }
  return error;
};

const EVERY_ADDRESS: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

const collide = (a: PortPublication, b: PortPublication): boolean =>
  a.protocol === b.protocol &&
  a.hostPort === b.hostPort &&
  (a.hostIp === b.hostIp || EVERY_ADDRESS.has(a.hostIp) || EVERY_ADDRESS.has(b.hostIp));
