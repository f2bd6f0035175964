/**
 * Every option, once: flags, environment, file, help and docs/configuration.md all come from here.
 * COMPAT: names, defaults and meaning are upstream's where upstream has the option.
 */
import { DEFAULT_KEPT_EVENTS } from "@flintlock/core";
import { API_OPTIONS } from "./api-options.ts";
import type { Option } from "./option.ts";
import { VMM_OPTIONS } from "./vmm-options.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

export const OPTIONS = {
  ...API_OPTIONS,

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

  ...VMM_OPTIONS,

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
