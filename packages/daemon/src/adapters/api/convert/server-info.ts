import { create } from "@bufbuild/protobuf";
import { wire } from "@flintlock/api";
import type { HostInfo } from "@flintlock/core";

/** Which of upstream's guest services are served, and where. */
export interface GuestServices {
  readonly hasExecApi: boolean;
  readonly hasSshProxyApi: boolean;
  /** `host:port`; empty without a TCP listener */
  readonly address: string;
}

/**
 * The upstream release whose contract we serve. COMPAT: battery refuses hosts below v0.15.2 and reads nothing after a
 * "+", where our own version is.
 */
const CONTRACT = "v0.15.2";
const MS_PER_SECOND = 1000;
const NANOS_PER_MS = 1_000_000;

export const serverInfo = (
  { version, buildDate, commitHash, uptimeMs }: HostInfo,
  { hasExecApi, hasSshProxyApi, address }: GuestServices,
): wire.ServerInfoResponse => {
  const service = (enabled: boolean) => ({ enabled, address: enabled ? address : "" });
  return create(wire.ServerInfoResponseSchema, {
    version: { version: `${CONTRACT}+flintlock.${version}`, buildDate, commitHash },
    uptime: {
      seconds: BigInt(Math.floor(uptimeMs / MS_PER_SECOND)),
      nanos: Math.floor(uptimeMs % MS_PER_SECOND) * NANOS_PER_MS,
    },
    exec: service(hasExecApi),
    sshProxy: service(hasSshProxyApi),
  });
};
