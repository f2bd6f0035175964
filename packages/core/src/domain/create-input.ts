import type { ExpiryInput } from "./expiry.ts";

/**
 * What a caller asked for, as it came over the wire: typed, but not yet believed. `parseSpec` turns it into a
 * `MicroVMSpec` or refuses with the field's name. Field names in errors are the wire's (`memory_in_mb`).
 */
export interface CreateInput {
  readonly id: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** 0 = default */
  readonly vcpu: number;
  /** 0 = default */
  readonly memoryInMb: number;
  readonly kernel: KernelInput | undefined;
  readonly initrd: { readonly image: string; readonly filename: string } | undefined;
  readonly rootVolume: VolumeInput | undefined;
  readonly additionalVolumes: readonly VolumeInput[];
  readonly interfaces: readonly InterfaceInput[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Empty = the daemon's default */
  readonly provider: string;
  readonly allowGuestAgent: boolean;
  /** Add nothing to metadata: the contract it came by did not */
  readonly keepsMetadata?: boolean;
  /** Refuse a name that is in use; otherwise the daemon's setting says */
  readonly needsUniqueName?: boolean;
  readonly cpuConfig?: CpuConfigInput | undefined;
  /** Chosen by the client; empty or absent: none */
  readonly requestId?: string;
  /** Absent on the v1alpha1 contract */
  readonly extension: ExtensionInput | undefined;
  /** W3C trace context of the request, when it is traced; put there by whoever traces, not by the API's handlers */
  readonly traceparent?: string;
}

export interface CpuConfigInput {
  readonly featuresToEnable: readonly string[];
  readonly kvmCapabilitiesToDisable: readonly string[];
}

export interface KernelInput {
  readonly image: string;
  readonly filename: string;
  readonly cmdline: Readonly<Record<string, string>>;
  /** Instead of `cmdline`: all of it, as one text; empty = absent */
  readonly wholeCmdline?: string;
  readonly addNetworkConfig: boolean;
}

export interface VolumeInput {
  readonly id: string;
  readonly isReadOnly: boolean;
  readonly mountPoint: string | undefined;
  readonly containerSource: string | undefined;
  readonly virtiofsSource: string | undefined;
  readonly partitionId: string | undefined;
  /** undefined or 0 = default */
  readonly sizeInMb: number | undefined;
}

export interface InterfaceInput {
  readonly deviceId: string;
  /** The enum's number: 0 MACVTAP, 1 TAP; others are refused */
  readonly type: number;
  readonly guestMac: string | undefined;
  readonly address:
    | {
        readonly address: string;
        readonly gateway: string | undefined;
        readonly nameservers: readonly string[];
      }
    | undefined;
  readonly bridgeName: string | undefined;
  /** The guest asks for its metadata over it */
  readonly isForMetadata?: boolean;
}

/** What `flintlock.v1` adds. */
export interface ExtensionInput {
  readonly command: readonly string[] | undefined;
  readonly entrypoint: readonly string[] | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly cwd: string;
  readonly tty: boolean;
  readonly attach: boolean;
  readonly ports: readonly PortInput[];
  /** "no", "on-failure", "unless-stopped", "always" or "" for the default */
  readonly restart: string;
  /** 0 or absent = no limit */
  readonly maxRestarts?: number;
  /** "missing", "always", "never" or "" for the default */
  readonly pull: string;
  readonly limits?: LimitsInput | undefined;
  /** Absent = no balloon */
  readonly balloonMib?: number | undefined;
  readonly isProtected?: boolean;
  /** Absent = ready once the guest is up */
  readonly readyWhen?: ReadyWhenInput | undefined;
  /** Absent = it lives until it is deleted */
  readonly expiry?: ExpiryInput | undefined;
}

export interface ReadyWhenInput {
  readonly conditions: readonly string[];
  /** 0 = default */
  readonly timeoutSeconds: number;
}

/** 0 = none */
export interface LimitsInput {
  readonly networkBytesPerSecond: number;
  readonly diskBytesPerSecond: number;
  readonly diskOpsPerSecond: number;
}

export interface PortInput {
  readonly hostIp: string;
  /** 0 = pick a free one */
  readonly hostPort: number;
  readonly guestPort: number;
  readonly protocol: string;
}
