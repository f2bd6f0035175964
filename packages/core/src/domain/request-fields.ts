/** What `flintlock.v1.CreateRequest` adds to a spec, in wire names. */
import { MAX_EXPIRY_SECONDS } from "./expiry.ts";
import type { FieldRule } from "./field-rule.ts";
import { CONDITIONS_RULE } from "./guest-condition.ts";

/** What a balloon leaves to the guest, in MiB */
export const MIN_GUEST_MIB = 32;

const ARGUMENT = {
  maxLength: 128 * 1024,
  pattern: /^[^\0]*$/,
  form: "characters without zero bytes",
} as const;
/** 1 KiB to 1 TiB: less starves the guest's kernel, more is no limit */
const BYTES_PER_SECOND = { type: "uint64", min: 1024, max: 2 ** 40, default: "no limit" } as const;
const EXPIRY_SECONDS = { type: "uint32", min: 1, max: MAX_EXPIRY_SECONDS, default: "none" } as const;
const PORT = { type: "uint32", max: 65_535 } as const;

export const REQUEST_FIELDS = {
  process: { type: "message", note: "What runs in the guest; what it leaves out is the image's." },
  "process.command": { type: "list", maxItems: 1024, item: ARGUMENT, note: "Replaces the image's command." },
  "process.entrypoint": {
    type: "list",
    maxItems: 1024,
    item: ARGUMENT,
    note: "Replaces the image's entrypoint.",
  },
  "process.set_entrypoint": {
    type: "bool",
    default: false,
    note: "With an empty entrypoint: the image's is removed.",
  },
  "process.env": {
    type: "map",
    maxItems: 1024,
    key: {
      minLength: 1,
      maxLength: 256,
      pattern: /^[^=\s\0]+$/,
      form: "characters without '=', white space or zero bytes",
    },
    value: ARGUMENT,
    note: "Added to the image's environment.",
  },
  "process.user": {
    type: "string",
    maxLength: 128,
    pattern: /^[^:\s]+(?::[^:\s]+)?$/,
    form: "user or user:group, names or numbers",
    default: "the image's",
    note: "Looked up in the guest's own files.",
  },
  "process.cwd": {
    type: "string",
    maxLength: 4096,
    pattern: /^\//,
    form: "an absolute path in the guest",
    default: "the image's",
    note: "Working directory.",
  },
  "process.tty": { type: "bool", default: false, note: "Gives the process a terminal." },
  "process.attach": {
    type: "bool",
    default: false,
    note: "Keeps stdio for Attach; otherwise output goes to the console.",
  },
  ports: {
    type: "list",
    maxItems: 64,
    note: "Guest ports published on the host; needs the user-mode network.",
  },
  "ports[].host_ip": {
    type: "string",
    maxLength: 45,
    default: "127.0.0.1",
    note: "Address of this host to listen on.",
  },
  "ports[].host_port": { ...PORT, min: 0, default: "a free one", note: "Port to listen on." },
  "ports[].guest_port": { ...PORT, min: 1, isRequired: "always", note: "Port in the guest." },
  "ports[].protocol": {
    type: "string",
    maxLength: 3,
    values: ["tcp", "udp"],
    default: "tcp",
    note: "Protocol.",
  },
  restart: {
    type: "enum",
    values: ["NO", "ALWAYS", "ON_FAILURE", "UNLESS_STOPPED"],
    default: "NO",
    note: "What happens when the guest ends by itself; v1alpha1 always restarts. One that was stopped stays so.",
  },
  max_restarts: {
    type: "uint32",
    min: 1,
    max: 1_000_000,
    default: "no limit",
    note: "With ON_FAILURE: restarts in a row, each after a run of less than a minute, after which it stays EXITED.",
  },
  pull: {
    type: "string",
    maxLength: 7,
    values: ["missing", "always", "never"],
    default: "missing",
    note: "When images are fetched.",
  },
  limits: {
    type: "message",
    note: "Ceilings for each device of a kind; refused by providers that cannot keep them.",
  },
  "limits.network_bytes_per_second": { ...BYTES_PER_SECOND, note: "Of each interface, each way." },
  "limits.disk_bytes_per_second": {
    ...BYTES_PER_SECOND,
    note: "Of each volume, reads and writes together.",
  },
  "limits.disk_ops_per_second": {
    type: "uint32",
    min: 1,
    max: 10_000_000,
    default: "no limit",
    note: "Requests of each volume, reads and writes together.",
  },
  balloon_mib: {
    type: "uint32",
    min: 0,
    max: 2_097_152 - MIN_GUEST_MIB,
    default: "no balloon",
    note: `Memory in MiB that the host takes back to begin with, at most all but ${MIN_GUEST_MIB}; 0 is a balloon that takes nothing yet. Refused by providers without a balloon.`,
  },
  protected: {
    type: "bool",
    default: false,
    note: "Refuses its deletion, until this is lifted by Update.",
  },
  ready_when: {
    type: "message",
    note: "What the guest has to come to before the microVM is RUNNING (v1alpha1: CREATED), after each start.",
  },
  "ready_when.conditions": {
    ...CONDITIONS_RULE,
    isRequired: "always",
    note: "Awaited one after the other; docs/waiting.md says when each is met.",
  },
  "ready_when.timeout_seconds": {
    type: "uint32",
    min: 1,
    max: 3600,
    default: 300,
    note: "For all of them, since the guest was up; then the microVM has FAILED, and its guest is ended.",
  },
  expiry: { type: "message", note: "When its time is over: docs/expiry.md." },
  "expiry.ttl_seconds": {
    ...EXPIRY_SECONDS,
    note: "Time to live, from the request on.",
  },
  "expiry.idle_seconds": {
    ...EXPIRY_SECONDS,
    note: "Longest time without a session while its guest is ready.",
  },
  "expiry.action": {
    type: "enum",
    values: ["DELETE", "STOP"],
    default: "DELETE at the end of its time to live, STOP when idle",
    note: "What is done then; one that is protected is stopped.",
  },
  request_id: {
    type: "string",
    maxLength: 128,
    pattern: /^[ -~]+$/,
    form: "printable ASCII characters",
    note: "Chosen by the client: repeated by the same caller within 24 hours, a create makes no second microVM. On v1alpha1 it is metadata `idempotency-key`, or `request_id` of the request's own metadata.",
  },
} as const satisfies Readonly<Record<string, FieldRule>>;
