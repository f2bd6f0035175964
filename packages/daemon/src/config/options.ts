/**
 * Every option, once: flags, environment, file, help and docs/configuration.md all come from here.
 * COMPAT: names, defaults and meaning are upstream's where upstream has the option.
 */
import { DEFAULT_KEPT_EVENTS } from "@flintlock/core";
import type { Option } from "./option.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

const NO_CONTAINERD = "images are pulled and kept by flintlockd itself, without containerd";
const FIRECRACKER_STAYS = "a Firecracker always outlives the daemon, and the next one takes it up again";

export const OPTIONS = {
  socket: {
    kind: "text",
    section: "api",
    placeholder: "PATH",
    help: "Unix socket for gRPC and HTTP, for its owner only",
    defaultText: "/run/flintlock/flintlockd.sock as root, else below $XDG_RUNTIME_DIR or ~/.local/state",
  },
  "grpc-endpoint": {
    kind: "text",
    section: "api",
    placeholder: "HOST:PORT",
    default: "localhost:9090",
    help: "gRPC on TCP, with TLS or --insecure; empty is off",
  },
  "enable-http": {
    kind: "switch",
    section: "api",
    default: false,
    help: "HTTP on TCP; naming --http-endpoint does it too",
  },
  "http-endpoint": {
    kind: "text",
    section: "api",
    placeholder: "HOST:PORT",
    default: "localhost:8090",
    help: "where HTTP listens, with TLS or --insecure",
  },
  "legacy-grpc-endpoint": {
    kind: "text",
    section: "api",
    placeholder: "HOST:PORT",
    help: "gRPC of the first published API (v0.1.0-alpha.1 and 2)",
  },
  "legacy-http-endpoint": {
    kind: "text",
    section: "api",
    placeholder: "HOST:PORT",
    help: "HTTP of the first published API",
  },
  "enable-exec-api": {
    kind: "switch",
    section: "api",
    default: false,
    help: "the service MicroVMExec: run commands in guests",
  },
  "enable-ssh-proxy-api": {
    kind: "switch",
    section: "api",
    default: false,
    help: "the service MicroVMSSHProxy: reach the guests' SSH server",
  },
  "disable-api": {
    kind: "switch",
    section: "api",
    isHidden: true,
    default: false,
    help: "look after the microVMs and listen nowhere",
  },

  insecure: {
    kind: "switch",
    section: "access",
    default: false,
    help: "TCP endpoints without TLS: whoever can reach them can read what is sent",
  },
  "tls-cert": {
    kind: "text",
    section: "access",
    placeholder: "PATH",
    help: "certificate chain of the TCP endpoints, PEM",
  },
  "tls-key": { kind: "text", section: "access", placeholder: "PATH", help: "its private key, PEM" },
  "tls-client-validate": {
    kind: "switch",
    section: "access",
    default: false,
    help: "refuse clients without a certificate of --tls-client-ca",
  },
  "tls-client-ca": {
    kind: "text",
    section: "access",
    placeholder: "PATH",
    help: "authorities that sign clients' certificates, PEM",
  },
  "auth-file": {
    kind: "text",
    section: "access",
    placeholder: "PATH",
    help: "tokens, certificates, roles and quotas, YAML",
  },
  "basic-auth-token": {
    kind: "text",
    section: "access",
    placeholder: "TOKEN",
    isSecret: true,
    help: "token that TCP callers must send; better kept in a file, as command lines are for all to read",
  },
  "basic-auth-token-file": {
    kind: "text",
    section: "access",
    placeholder: "PATH",
    help: "file with that token",
  },
  "audit-log": {
    kind: "text",
    section: "access",
    placeholder: "PATH",
    help: "one line of JSON for all that is changed or refused; without it, the ordinary log",
  },

  "state-dir": {
    kind: "text",
    section: "machines",
    placeholder: "DIR",
    help: "records, images and disks",
    defaultText: "/var/lib/flintlock as root, else ~/.local/share/flintlock",
  },
  "default-provider": {
    kind: "text",
    section: "machines",
    placeholder: "NAME",
    default: "auto",
    help: "auto: the first of firecracker, cloudhypervisor and qemu that works here and can do what is asked; one of them; or simulated: no VMs at all, for tests of what talks to us",
  },
  "qemu-bin": {
    kind: "text",
    section: "machines",
    placeholder: "PATH",
    default: "qemu-system-x86_64",
    help: "QEMU's program",
  },
  accelerator: {
    kind: "choice",
    section: "machines",
    placeholder: "NAME",
    values: ["auto", "kvm", "tcg"],
    default: "auto",
    help: "auto (KVM when a probe says it works), kvm or tcg",
  },
  "unique-names": {
    kind: "switch",
    section: "machines",
    default: false,
    help: "refuse a name in use over v1alpha1 too (upstream allows it)",
  },
  "max-parallel-boots": {
    kind: "number",
    section: "machines",
    placeholder: "N",
    min: 1,
    max: 1024,
    help: "boots at once",
    defaultText: "the number of processors, at least 2",
  },
  "deleteMicroVM-timeout": {
    kind: "duration",
    section: "machines",
    alias: "delete-timeout",
    placeholder: "TIME",
    minMs: 0,
    maxMs: 60 * MINUTE_MS,
    default: 10_000,
    help: "time a guest gets to end by itself on delete, and on a stop that names none",
  },
  "resync-period": {
    kind: "duration",
    section: "machines",
    placeholder: "TIME",
    minMs: 1000,
    maxMs: DAY_MS,
    default: 10 * MINUTE_MS,
    help: "how often everything is looked at again",
  },
  "kept-events": {
    kind: "number",
    section: "machines",
    placeholder: "N",
    min: 100,
    max: 10_000_000,
    default: DEFAULT_KEPT_EVENTS,
    help: "how many of the last changes can be watched from",
  },
  "maximum-retry": {
    kind: "number",
    section: "machines",
    isHidden: true,
    placeholder: "N",
    min: 0,
    max: 1000,
    default: 10,
    help: "failed attempts after which a microVM is FAILED",
  },
  "disable-reconcile": {
    kind: "switch",
    section: "machines",
    isHidden: true,
    default: false,
    help: "take calls and change nothing on the host",
  },

  "bridge-name": {
    kind: "text",
    section: "network",
    placeholder: "NAME",
    help: "bridge that TAP interfaces join",
  },
  "allow-bridge": {
    kind: "list",
    section: "network",
    placeholder: "NAME",
    help: "a further bridge that requests may name; repeatable",
  },
  "parent-iface": {
    kind: "text",
    section: "network",
    placeholder: "NAME",
    help: "host interface that MACVTAP interfaces share",
  },

  "guest-images": {
    kind: "text",
    section: "images",
    placeholder: "DIR",
    env: ["FLINTLOCK_GUEST_IMAGES"],
    help: "OCI layout with the bundled kernel and root",
    defaultText: "what 'npm run guest-images' made, or /usr/share/flintlock/guest-images",
  },
  "insecure-registry": {
    kind: "list",
    section: "images",
    placeholder: "HOST[:PORT]",
    help: "registry that speaks plain http; repeatable",
  },

  "containerd-socket": {
    kind: "text",
    section: "providers",
    placeholder: "PATH",
    default: "/run/containerd/containerd.sock",
    help: "containerd's socket",
    noEffect: NO_CONTAINERD,
  },
  "containerd-kernel-ss": {
    kind: "text",
    section: "providers",
    placeholder: "NAME",
    default: "native",
    help: "containerd's snapshotter for kernels",
    noEffect: NO_CONTAINERD,
  },
  "containerd-ns": {
    kind: "text",
    section: "providers",
    placeholder: "NAME",
    default: "flintlock",
    help: "containerd's namespace",
    noEffect: NO_CONTAINERD,
  },
  "firecracker-bin": {
    kind: "text",
    section: "providers",
    placeholder: "PATH",
    default: "firecracker",
    help: "Firecracker's program, 1.10 or newer",
  },
  "firecracker-detach": {
    kind: "switch",
    section: "providers",
    default: true,
    help: "Firecracker outlives the daemon",
    noEffect: FIRECRACKER_STAYS,
  },
  "firecracker-pci": {
    kind: "choice",
    section: "firecracker",
    placeholder: "WHEN",
    values: ["auto", "on", "off"],
    default: "auto",
    help: "devices on PCI (1.13 or newer): auto (where there are more than 17), on or off",
  },
  "firecracker-mmds-version": {
    kind: "choice",
    section: "firecracker",
    placeholder: "VERSION",
    values: ["v1", "v2"],
    default: "v1",
    help: "metadata service: v1, or v2, which asks for a token that images' cloud-init does not have",
  },
  "firecracker-mmds-size-limit": {
    kind: "number",
    section: "firecracker",
    placeholder: "BYTES",
    min: 1024,
    max: 4 * 1024 * 1024,
    default: 51_200,
    help: "room for a microVM's metadata",
  },
  "firecracker-jailer": {
    kind: "text",
    section: "firecracker",
    placeholder: "PATH",
    help: "jailer of the same release: each Firecracker gets a root directory and a user of its own; needs root",
  },
  "firecracker-jail-dir": {
    kind: "text",
    section: "firecracker",
    placeholder: "DIR",
    help: "where jails are, on the file system of --state-dir",
    defaultText: "jails below --state-dir",
  },
  "firecracker-jail-uids": {
    kind: "text",
    section: "firecracker",
    placeholder: "FIRST-LAST",
    default: "300000-309999",
    help: "user and group ids for jails, nobody else's, one for each running microVM",
  },
  "firecracker-jail-cgroup": {
    kind: "choice",
    section: "firecracker",
    placeholder: "VERSION",
    values: ["2", "1", "none"],
    default: "2",
    help: "limit a jail's processors and memory by cgroups of version 2 or 1, or not: none",
  },
  "firecracker-jail-netns": {
    kind: "text",
    section: "firecracker",
    placeholder: "PATH",
    help: "network namespace that jails join; TAP devices must be there",
  },
  "cloudhypervisor-bin": {
    kind: "text",
    section: "providers",
    placeholder: "PATH",
    default: "cloud-hypervisor-static",
    help: "Cloud Hypervisor's program, v41 or newer",
    defaultText: "cloud-hypervisor-static, or else cloud-hypervisor",
  },
  "cloudhypervisor-detach": {
    kind: "switch",
    section: "providers",
    default: true,
    help: "Cloud Hypervisor outlives the daemon",
    noEffect: "it always does",
  },
  "virtiofs-bin": {
    kind: "text",
    section: "providers",
    placeholder: "PATH",
    default: "/usr/libexec/virtiofsd",
    help: "virtiofsd's program",
    defaultText: "/usr/libexec/virtiofsd, or else QEMU's own, /usr/lib/qemu/virtiofsd",
  },
  "virtiofs-root": {
    kind: "list",
    section: "providers",
    placeholder: "DIR",
    help: "host directory below which virtiofs volumes may be; repeatable, none = no virtiofs",
  },

  verbosity: {
    kind: "number",
    section: "observe",
    short: "v",
    placeholder: "N",
    min: 0,
    max: 100,
    default: 0,
    help: "0 info, 2 debug, 9 trace",
  },
  "log-level": {
    kind: "choice",
    section: "observe",
    placeholder: "LEVEL",
    values: ["trace", "debug", "info", "warn", "error"],
    default: "info",
    help: "the same by name: trace, debug, info, warn or error",
    defaultText: "as --verbosity says",
  },
  "log-format": {
    kind: "choice",
    section: "observe",
    placeholder: "NAME",
    values: ["text", "json"],
    default: "text",
    help: "text or json",
  },
  "log-output": {
    kind: "text",
    section: "observe",
    placeholder: "WHERE",
    default: "stderr",
    help: "stderr, stdout or a file, which SIGHUP opens anew",
  },
  "debug-endpoint": {
    kind: "text",
    section: "observe",
    placeholder: "HOST:PORT",
    help: "metrics and profiles over plain HTTP, loopback only, nobody is asked who they are",
  },
  "otlp-endpoint": {
    kind: "text",
    section: "observe",
    placeholder: "URL",
    help: "OpenTelemetry collector that traces go to",
    env: ["OTEL_EXPORTER_OTLP_ENDPOINT"],
  },

  config: {
    kind: "text",
    section: "file",
    placeholder: "PATH",
    help: "the configuration file, which must exist",
    defaultText: "the first of its places that exists",
  },
} as const satisfies Readonly<Record<string, Option>>;

export type OptionName = keyof typeof OPTIONS;

export const OPTION_NAMES = Object.keys(OPTIONS) as readonly OptionName[];

export const optionOf = (name: OptionName): Option => OPTIONS[name];

/** COMPAT: upstream's names are found in whatever case. */
export const findOption = (text: string): OptionName | undefined => BY_NAME.get(text.toLowerCase());

const BY_NAME: ReadonlyMap<string, OptionName> = new Map(
  OPTION_NAMES.flatMap((name) => {
    const { alias } = optionOf(name);
    const names = alias === undefined ? [name] : [name, alias];
    return names.map((each) => [each.toLowerCase(), name] as const);
  }),
);
