/** Fields of `flintlock.types.MicroVMSpec` but its volumes and interfaces, in wire names. */
import type { FieldRule } from "./field-rule.ts";
import { MAX_RAW_REFERENCE } from "./reference.ts";

const IMAGE = { type: "string", minLength: 1, maxLength: MAX_RAW_REFERENCE } as const;

/** Fits a path of the state directory and a process's name. */
const NAME = {
  minLength: 1,
  maxLength: 63,
  pattern: /^[A-Za-z0-9](?:(?:\.?[A-Za-z0-9_-])*\.?[A-Za-z0-9])?$/,
  form: "letters, digits, '.', '_' or '-', a letter or digit at both ends, and no '..'",
} as const;

/** A relative path of a file in an image, a leading slash ignored. */
const IMAGE_FILE = {
  type: "string",
  maxLength: 4096,
  pattern: /^(?:\/*[^/]+(?:\/[^/]+)*)?$/,
  form: "a path inside the image, without '..', '.' or empty parts",
} as const;

export const MICROVM_FIELDS = {
  id: {
    type: "string",
    ...NAME,
    default: "a generated name",
    note: "Name in its namespace; v1alpha1 allows it twice unless the daemon runs with --unique-names.",
  },
  namespace: {
    type: "string",
    ...NAME,
    default: "default",
    note: "Groups microVMs; names are looked up in it, and callers may be held to some of them.",
  },
  labels: {
    type: "map",
    maxItems: 64,
    key: { minLength: 1, maxLength: 253 },
    value: { maxLength: 1024 },
    note: "Stored, returned, and what lists filter by.",
  },
  vcpu: {
    type: "int32",
    min: 1,
    max: 64,
    default: 2,
    defaultV1: 1,
    note: "Virtual processors; a provider may have a lower limit.",
  },
  memory_in_mb: {
    type: "int32",
    min: 64,
    max: 2_097_152,
    default: 1024,
    defaultV1: 512,
    note: "Memory in MiB, despite the name; at most the daemon's own limit: the host's memory, or 32768 if that is more.",
  },
  kernel: {
    type: "message",
    isRequired: "v1alpha1",
    defaultV1: "the bundled kernel",
    note: "What boots.",
  },
  "kernel.image": {
    ...IMAGE,
    isRequired: "v1alpha1",
    defaultV1: "the bundled kernel's image",
    note: "OCI image that holds the kernel; white space around it and control characters are dropped.",
  },
  "kernel.filename": {
    ...IMAGE_FILE,
    default: "the image's label dev.flintlock.kernel",
    note: "The kernel's path in its image.",
  },
  "kernel.cmdline": {
    type: "map",
    maxItems: 64,
    key: {
      minLength: 1,
      maxLength: 128,
      pattern: /^[^\s"=]+$/,
      form: "characters without space, quote or '='",
    },
    value: { maxLength: 1024, pattern: /^[^"\n\r\t]*$/, form: "characters without quote or line break" },
    maxTotal: 1800,
    note: "Kernel arguments, added to the provider's or in their place; an empty value is a bare key.",
  },
  "kernel.add_network_config": {
    type: "bool",
    default: false,
    note: "Tells cloud-init the interfaces: on its seed disk, in the place of metadata `network-config`, and on the kernel's command line. On a seed disk without `network-config` a static address is told in any case.",
  },
  initrd: {
    type: "message",
    note: "An initrd of the caller's; without it, the kernel image's own, if labelled.",
  },
  "initrd.image": { ...IMAGE, isRequired: "always", note: "OCI image that holds the initrd." },
  "initrd.filename": {
    ...IMAGE_FILE,
    default: "the image's label dev.flintlock.initrd",
    note: "The initrd's path in its image.",
  },
  metadata: {
    type: "map",
    maxItems: 32,
    key: {
      minLength: 1,
      maxLength: 128,
      pattern: /^[A-Za-z0-9](?:(?:\.?[A-Za-z0-9_-])*\.?[A-Za-z0-9])?$/,
      form: "letters, digits, '.', '_' or '-', such as user-data",
    },
    value: {
      maxLength: 512 * 1024,
      pattern: /^[A-Za-z0-9+/]*={0,2}$/,
      form: "characters of standard base64 with padding",
    },
    maxTotal: 1024 * 1024,
    note: "cloud-init data, values base64; `meta-data` is a flat YAML map of texts and gets `instance_id` and `instance-id`, the uid, unless it has them.",
  },
  created_at: { type: "timestamp", isOutput: true, note: "When it was accepted." },
  updated_at: { type: "timestamp", isOutput: true, note: "When its record last changed." },
  deleted_at: { type: "timestamp", isOutput: true, note: "When its deletion was asked for." },
  uid: { type: "string", isOutput: true, maxLength: 26, note: "ULID; sorts by creation." },
  provider: {
    type: "string",
    maxLength: 64,
    default: "the daemon's default",
    note: "qemu, or another that this daemon runs with.",
  },
  allow_guest_agent: {
    type: "bool",
    default: false,
    note: "Gives the host a way to the agent in the guest.",
  },
  cpu_config: { type: "message", note: "Changes what the guest sees of the processor." },
  "cpu_config.features_to_enable": {
    type: "list",
    maxItems: 64,
    item: {
      minLength: 1,
      maxLength: 64,
      pattern: /^[a-z0-9][a-z0-9._-]*$/,
      form: "lower-case letters, digits, '.', '_' or '-'",
    },
    note: "Feature names as the provider knows them: on QEMU, each becomes +name of -cpu; numbers of KVM capabilities are refused there.",
  },
  "cpu_config.kvm_capabilities_to_disable": {
    type: "list",
    maxItems: 64,
    item: { minLength: 1, maxLength: 64, pattern: /^[0-9]+$/, form: "digits" },
    note: "Numbers of KVM capabilities; refused by QEMU, which has no such switch.",
  },
} as const satisfies Readonly<Record<string, FieldRule>>;
