import { trustEveryone } from "../../../packages/daemon/src/adapters/api/auth/authenticator.ts";
import type { ApiListener } from "../../../packages/daemon/src/adapters/api/server.ts";

/** What a daemon listens on without TLS: a Unix socket for both protocols, TCP for one each. */
export const plainListeners = (addresses: {
  readonly unix?: string;
  readonly grpc?: string;
  readonly http?: string;
}): readonly ApiListener[] => {
  const { unix, grpc, http } = addresses;
  const listeners: ApiListener[] = [];
  const authenticate = trustEveryone;
  if (unix !== undefined)
    listeners.push({ name: "unix", where: { kind: "unix", path: unix }, protocol: "any", authenticate });
  if (grpc !== undefined)
    listeners.push({ name: "grpc", where: { kind: "tcp", address: grpc }, protocol: "grpc", authenticate });
  if (http !== undefined)
    listeners.push({ name: "http", where: { kind: "tcp", address: http }, protocol: "http", authenticate });
  return listeners;
};
