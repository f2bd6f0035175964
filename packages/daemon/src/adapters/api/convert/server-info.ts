import { create } from "@bufbuild/protobuf";
import { wire } from "@flintlock/api";
import type { HostInfo } from "@flintlock/core";

/**
 * The upstream release whose contract we serve. COMPAT: battery refuses hosts below v0.15.2 and reads nothing after a
 * "+", where our own version is.
 */
const CONTRACT = "v0.15.2";
const MS_PER_SECOND = 1000;
const NANOS_PER_MS = 1_000_000;

export const serverInfo = ({ version, uptimeMs }: HostInfo): wire.ServerInfoResponse =>
  create(wire.ServerInfoResponseSchema, {
    version: { version: `${CONTRACT}+flintlock.${version}` },
    uptime: {
      seconds: BigInt(Math.floor(uptimeMs / MS_PER_SECOND)),
      nanos: Math.floor(uptimeMs % MS_PER_SECOND) * NANOS_PER_MS,
    },
    exec: {},
    sshProxy: {},
  });
