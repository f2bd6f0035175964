import type { ProviderWish } from "@flintlock/core";

/** What the daemon runs with: every source merged, every rule kept. Frozen. */
export interface Config {
  /** Unix socket for gRPC and HTTP */
  readonly socketPath: string;
  /** TCP endpoints, `host:port`; undefined = off */
  readonly grpcEndpoint: string | undefined;
  readonly httpEndpoint: string | undefined;
  /** Of the first published API; undefined = off */
  readonly legacyGrpcEndpoint: string | undefined;
  readonly legacyHttpEndpoint: string | undefined;
  /** Of every TCP endpoint; undefined only when `isInsecure`, or when none is open */
  readonly tls: TlsConfig | undefined;
  readonly isInsecure: boolean;
  /** YAML: tokens, certificates, roles, quotas */
  readonly authFile: string | undefined;
  readonly basicAuthToken: string | undefined;
  readonly auditLog: string | undefined;
  /** Services that upstream keeps behind flags */
  readonly hasExecApi: boolean;
  readonly hasSshProxyApi: boolean;
  /** False: nothing listens */
  readonly hasApi: boolean;
  /** False: calls are taken and nothing on the host changes */
  readonly hasReconciler: boolean;
  readonly stateDir: string;
  /** OCI layout with the bundled kernel and root */
  readonly guestImagesDir: string;
  readonly defaultProvider: ProviderWish;
  readonly qemuBinary: string;
  readonly accelerator: "auto" | "kvm" | "tcg";
  readonly firecracker: FirecrackerConfig;
  /** Those to try, the preferred first */
  readonly cloudHypervisorBinaries: readonly string[];
  readonly virtiofsBinaries: readonly string[];
  /** Absolute; empty = no directory of the host is shared with guests */
  readonly virtiofsRoots: readonly string[];
  readonly bridgeName: string | undefined;
  /** The link that MACVTAP interfaces share */
  readonly parentInterface: string | undefined;
  /** Bridges that a request may name besides `bridgeName` */
  readonly allowedBridges: readonly string[];
  /** `host[:port]` of registries that speak plain http */
  readonly insecureRegistries: readonly string[];
  readonly dockerConfigPath: string;
  /** Refuse a second microVM of one namespace and id over v1alpha1 too */
  readonly hasUniqueNames: boolean;
  readonly maxParallelBoots: number;
  /** Failed attempts after which a microVM is FAILED */
  readonly maxRetry: number;
  readonly deleteGraceMs: number;
  readonly resyncMs: number;
  /** How many of the last changes of microVMs can be read again */
  readonly keptEvents: number;
  readonly maxMemoryMib: number;
  readonly logLevel: LogLevel;
  readonly logFormat: "text" | "json";
  readonly logOutput: LogOutput;
  /** `host:port` on loopback, plain HTTP without authentication */
  readonly debugEndpoint: string | undefined;
  /** URL of an OpenTelemetry collector */
  readonly otlpEndpoint: string | undefined;
  /** The file that was read, if any */
  readonly configFile: string | undefined;
  /** What the operator should know: for the log and `config check` */
  readonly notices: readonly Notice[];
}

export interface FirecrackerConfig {
  readonly binary: string;
  readonly pci: "auto" | "on" | "off";
  readonly metadataVersion: "V1" | "V2";
  readonly metadataLimitBytes: number;
  /** Undefined: no jail */
  readonly jail: JailConfig | undefined;
}

export interface JailConfig {
  /** The jailer's program */
  readonly binary: string;
  readonly baseDir: string;
  readonly userIds: { readonly first: number; readonly count: number };
  readonly cgroupVersion: "1" | "2" | "none";
  readonly networkNamespace: string | undefined;
}

export interface TlsConfig {
  readonly certPath: string;
  readonly keyPath: string;
  /** Authorities of clients' certificates; undefined: none is asked for */
  readonly clientCaPath: string | undefined;
  /** A client without a certificate is refused */
  readonly isClientRequired: boolean;
}

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";
export type LogOutput =
  | { readonly kind: "stderr" | "stdout" }
  | { readonly kind: "file"; readonly path: string };

export interface Notice {
  readonly level: "info" | "warn";
  /** The option it is about */
  readonly option: string;
  readonly text: string;
}
