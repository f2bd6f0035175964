/**
 * The record of one microVM: the spec is what the caller asked, the status what we last knew.
 * Names follow the wire (`proto/types/microvm.proto`); `process`, `ports`, `boot` and `restart` are ours.
 */
import type { Digest, MacAddress, OciReference, Uid, UnixMs } from "./units.ts";

export const PROVIDER_NAMES = ["qemu", "firecracker", "cloudhypervisor", "simulated"] as const;
export type ProviderName = (typeof PROVIDER_NAMES)[number];

/** What a caller or operator may name: "auto" is the first that fits the microVM and works on this host. */
export type ProviderWish = ProviderName | "auto";

export interface MicroVM {
  readonly uid: Uid;
  /** Caller's name; unique only together with `uid` */
  readonly id: string;
  readonly namespace: string;
  readonly spec: MicroVMSpec;
  readonly status: MicroVMStatus;
  /** Name of the caller who asked for it; empty in records that were made before it was kept */
  readonly createdBy: string;
  /** Why it has the provider it has, for people; absent in records that were made before it was kept */
  readonly providerReason?: string;
  readonly createdAt: UnixMs;
  readonly updatedAt: UnixMs;
  /** The wish to delete; set once, never cleared */
  readonly deletedAt: UnixMs | undefined;
  /** Its deletion is refused; absent = it is not */
  readonly isProtected?: boolean | undefined;
  /** When its time is over; absent = never */
  readonly expiry?: Expiry | undefined;
  /** The wish for its guest, which each verb changes (`run-wish.ts`); a deletion comes before it */
  readonly run: RunWish;
  /** Counts stored changes, 1 after create; the optimistic lock */
  readonly version: number;
  /** W3C trace context of the create that asked for it, until the guest is ready or the VM failed; often absent */
  readonly traceparent?: string | undefined;
}

/** "ttl": so long after it was asked for; "idle": so long unused */
export type ExpiryCause = "ttl" | "idle";
export type ExpiryAction = "delete" | "stop";

export interface Expiry {
  /** The end of its time to live; undefined = it has none, or that is spent */
  readonly at?: UnixMs | undefined;
  /** Longest time unused while its guest is ready */
  readonly idleMs?: number | undefined;
  /** Undefined = at the end of its time to live it is deleted, and idle it is stopped */
  readonly action?: ExpiryAction | undefined;
}

export interface RunWish {
  /** "paused" boots first where nothing runs */
  readonly state: "running" | "stopped" | "paused";
  /** A new run is wanted: what runs now ends first. Gone once nothing runs */
  readonly isAnew: boolean;
  /** Time the guest gets to end by itself when it has to, in ms; undefined = the daemon's */
  readonly graceMs?: number | undefined;
}

export const RESTART_POLICIES = ["no", "on-failure", "unless-stopped", "always"] as const;
export type RestartPolicy = (typeof RESTART_POLICIES)[number];

export interface MicroVMSpec {
  readonly provider: ProviderName;
  readonly labels: Readonly<Record<string, string>>;
  readonly vcpu: number;
  readonly memoryMib: number;
  readonly kernel: Kernel;
  readonly initrd: BootFile | undefined;
  /** Absent only when an initrd carries the whole system */
  readonly rootVolume: Volume | undefined;
  readonly additionalVolumes: readonly Volume[];
  /** Guest order; empty means one user-mode interface, unless `isOffline` */
  readonly interfaces: readonly NetworkInterface[];
  /** No interface was asked for, and the provider has no network of its own: the guest is reached by its agent alone */
  readonly isOffline?: boolean;
  /** Values base64, as on the wire */
  readonly metadata: Readonly<Record<string, string>>;
  readonly allowGuestAgent: boolean;
  readonly cpuConfig?: CpuConfig | undefined;
  readonly limits?: RateLimits | undefined;
  /** MiB that the host takes back to begin with; undefined = no balloon */
  readonly balloonMib?: number | undefined;
  readonly process: ProcessOverride;
  readonly ports: readonly PortPublication[];
  /** Which comes first when the image offers both an init system and a command */
  readonly boot: "init-first" | "process-first";
  /** When images are fetched that are not pinned yet */
  readonly pull: "missing" | "always" | "never";
  /** What happens when the guest ends by itself; one that was stopped stays so under each of them */
  readonly restart: RestartPolicy;
  /** What its guest has to come to before it is "created"; undefined = it is up */
  readonly readyWhen?: ReadyWhen | undefined;
  /** Of "on-failure": restarts in a row, after runs that were short; undefined = without end */
  readonly maxRestarts?: number | undefined;
}

export interface ReadyWhen {
  /** As `guest-condition.ts` has them; awaited in this order */
  readonly conditions: readonly string[];
  /** For all of them, since the guest of a run was first seen up; then the microVM has FAILED */
  readonly timeoutMs: number;
}

/** As asked; names and numbers are the provider's. */
export interface CpuConfig {
  readonly featuresToEnable: readonly string[];
  readonly kvmCapabilitiesToDisable: readonly string[];
}

/** Ceilings for each device of a kind; absent = none. */
export interface RateLimits {
  /** Of each interface, each way */
  readonly networkBytesPerSecond?: number | undefined;
  /** Of each volume, reads and writes together */
  readonly diskBytesPerSecond?: number | undefined;
  readonly diskOpsPerSecond?: number | undefined;
}

export interface BootFile {
  readonly image: OciReference;
  /** Path inside the image, relative, no `..`; empty means the image's labelled default */
  readonly filename: string;
}

export interface Kernel extends BootFile {
  /** Added after the provider's defaults, in this order; a later key wins; empty value = bare key */
  readonly cmdline: Readonly<Record<string, string>>;
  /**
   * The whole command line to the letter, in place of the provider's defaults; `cmdline` is then what is read in it.
   * Absent = the defaults and `cmdline` (ADR 0010)
   */
  readonly wholeCmdline?: string | undefined;
  readonly addNetworkConfig: boolean;
}

export type VolumeSource =
  | { readonly kind: "image"; readonly image: OciReference }
  | { readonly kind: "virtiofs"; readonly hostPath: string };

export interface Volume {
  readonly id: string;
  readonly isReadOnly: boolean;
  readonly mountPoint: string | undefined;
  readonly source: VolumeSource;
  readonly partitionId: string | undefined;
  /** Filesystem size in MiB when its disk is made; undefined = the default, grown to fit the image */
  readonly sizeMib: number | undefined;
  /** What its disk was asked to grow to since, in MiB; it never shrinks */
  readonly grownToMib?: number | undefined;
}

export interface NetworkInterface {
  /** Guest name, unique in the VM */
  readonly deviceId: string;
  readonly type: "tap" | "macvtap";
  readonly guestMac: MacAddress | undefined;
  /** Undefined means DHCP */
  readonly address: StaticAddress | undefined;
  /** Bridge to attach to instead of the daemon's */
  readonly bridge: string | undefined;
  /** The guest asks for its metadata over it. A TAP leads nowhere else: its host end is on no bridge */
  readonly isForMetadata?: boolean;
  /** Served by the provider's user-mode network: this daemon has no link for it (docs/adr/0008) */
  readonly isUserMode: boolean;
}

export interface StaticAddress {
  /** CIDR */
  readonly address: string;
  /** IP, without prefix */
  readonly gateway: string | undefined;
  readonly nameservers: readonly string[];
}

/** What runs in the guest instead of, or on top of, the image's own configuration. */
export interface ProcessOverride {
  /** Replaces the image's command; undefined keeps it */
  readonly command: readonly string[] | undefined;
  /** Replaces the image's entrypoint; an empty list removes it; undefined keeps it */
  readonly entrypoint: readonly string[] | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly user: string | undefined;
  readonly cwd: string | undefined;
  /** Gives the process a terminal */
  readonly tty: boolean;
  /** Keeps stdio for an attached client; otherwise output goes to the console */
  readonly attach: boolean;
}

export interface PortPublication {
  /** Host address to listen on */
  readonly hostIp: string;
  readonly hostPort: number;
  readonly guestPort: number;
  readonly protocol: "tcp" | "udp";
}

/**
 * "pending": on its way to what is wished. "exited": the guest ended by itself; "stopped": it was asked to, and stays
 * so until somebody starts it.
 */
export const MICROVM_STATES = [
  "pending",
  "created",
  "paused",
  "stopped",
  "exited",
  "failed",
  "deleting",
] as const;
export type MicroVMState = (typeof MICROVM_STATES)[number];

/** The guest ends soon after each start, again and again */
export type StatusReason = "crash-looping";

export interface MicroVMStatus {
  readonly state: MicroVMState;
  /** Failed attempts since the last success */
  readonly retry: number;
  /** Earliest next attempt */
  readonly notBefore: UnixMs | undefined;
  /** Why the last attempt failed */
  readonly failure: Failure | undefined;
  /** How the last run ended; undefined while the guest runs */
  readonly exit: GuestExit | undefined;
  /** Restarts by the policy in a row, each after a short run; none once a run has lasted, or somebody has started it */
  readonly restarts: number;
  readonly reason?: StatusReason | undefined;
  /** Its guest was ready once: the disk may hold what nobody else has. Never unsaid */
  readonly hasRun?: boolean;
  /** When the guest of the present run was first seen ready */
  readonly readyAt?: UnixMs | undefined;
  /** When it was last used, as far as that matters: of those that are stopped when idle, to within a part of that time */
  readonly lastActiveAt?: UnixMs | undefined;
  /** How its time was last over */
  readonly expired?:
    | {
        readonly cause: ExpiryCause;
        /** What was done: stopped, where it was protected from the deletion that was asked for */
        readonly action: ExpiryAction;
        readonly at: UnixMs;
        readonly idleMs?: number | undefined;
      }
    | undefined;
  /** Of the run that is told by its `readyAt` */
  readonly conditionsMet?: ConditionsMet | undefined;
  /** Digest each image reference stood for when this VM first used it: a tag that moves does not move a VM */
  readonly images: Readonly<Record<OciReference, Digest>>;
  /** By volume id */
  readonly volumes: Readonly<Record<string, Mount>>;
  readonly kernelMount: Mount | undefined;
  readonly initrdMount: Mount | undefined;
  /** By device id */
  readonly networkInterfaces: Readonly<Record<string, InterfaceStatus>>;
  /** Host socket that leads to the guest's agent (`AgentSocket`); undefined while there is none */
  readonly vsockPath?: string | undefined;
  /** Milliseconds spent, by step, in the last round that came to its end; what waited for its turn is not counted */
  readonly timings: Readonly<Record<string, number>>;
}

export interface ConditionsMet {
  readonly readyAt: UnixMs;
  /** When each was met */
  readonly at: Readonly<Record<string, UnixMs>>;
}

export interface Mount {
  readonly type: "dev" | "hostpath";
  readonly source: string;
}

/** Of the host's end. */
export interface InterfaceStatus {
  readonly hostDeviceName: string;
  /** The kernel's number for it; a TAP that is made again gets another */
  readonly index: number;
  /** COMPAT: in upper case, as upstream shows it. Of a MACVTAP device it is the guest's as well */
  readonly macAddress: string;
  /** Bytes that one packet may have; absent in records of before it was kept */
  readonly mtu?: number | undefined;
}

export interface Failure {
  readonly step: string;
  readonly code: string;
  readonly message: string;
  readonly at: UnixMs;
}

/** Reasons that decide something; all others are for people to read. */
export const POWERED_OFF = "guest powered off";
export const HOST_RESTARTED = "host restarted";

export interface GuestExit {
  /** The main process's exit code; undefined when the guest did not report one */
  readonly code: number | undefined;
  readonly reason: string;
  readonly at: UnixMs;
}
