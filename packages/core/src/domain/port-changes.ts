/** What a change makes of a microVM's published ports. */

import type { PortInput } from "./create-input.ts";
import { invalidField } from "./errors.ts";
import type { MicroVMSpec, PortPublication } from "./microvm.ts";
import { listenerOf, parsePorts } from "./process-rules.ts";
import { hasUserInterface } from "./spec-parts.ts";

export interface PortChanges {
  readonly publish: readonly PortInput[];
  /** By host port, and by address and protocol where they are given; its guest port means nothing */
  readonly unpublish: readonly PortInput[];
}

export const changedPorts = (
  spec: MicroVMSpec,
  { publish, unpublish }: PortChanges,
): readonly PortPublication[] => {
  const gone = new Set(unpublish.flatMap((input, index) => matching(spec.ports, input, index)));
  const kept = spec.ports.filter((port) => !gone.has(port));
  // Again what is so already is no change.
  const news = publish.filter((input) => !kept.some((port) => isSame(port, input)));
  if (news.length === 0) return kept;
  if (!hasUserInterface(spec) && !spec.interfaces.some(({ isUserMode }) => isUserMode)) {
    throw invalidField("publish", "ports are published of the user-mode network alone, which it is not on");
  }
  return [...kept, ...parsePorts(news, "publish", kept)];
};

/** Publications of `after` that nobody listened for on behalf of `before`. */
export const newListeners = (
  before: readonly PortPublication[],
  after: readonly PortPublication[],
): readonly PortPublication[] => {
  const known = new Set(before.map(listenerOf));
  return after.filter((port) => port.hostPort === 0 || !known.has(listenerOf(port)));
};

const matching = (
  ports: readonly PortPublication[],
  { hostIp, hostPort, protocol }: PortInput,
  index: number,
): readonly PortPublication[] => {
  const found = ports.filter(
    (port) =>
      port.hostPort === hostPort &&
      (hostIp === "" || port.hostIp === hostIp) &&
      (protocol === "" || port.protocol === protocol),
  );
  if (found.length > 0) return found;
  const known = ports.map((port) => `${port.hostIp}:${port.hostPort}/${port.protocol}`).join(", ");
  throw invalidField(
    `unpublish[${index}]`,
    `host port ${hostPort} is not published; ${known === "" ? "none is" : `those are: ${known}`}`,
  );
};

const isSame = (port: PortPublication, { hostIp, hostPort, guestPort, protocol }: PortInput): boolean =>
  hostPort !== 0 &&
  port.hostPort === hostPort &&
  port.guestPort === guestPort &&
  port.hostIp === (hostIp || "127.0.0.1") &&
  port.protocol === (protocol || "tcp");
