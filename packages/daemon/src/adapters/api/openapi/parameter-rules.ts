/** What requests may hold whose rules the core's table lacks: their handlers check it. By `package.Message.field`. */
import {
  CONDITIONS_RULE,
  type FieldRule,
  LOG_SINCE,
  LOG_SOURCES,
  MAX_GRACE_SECONDS,
  MAX_PROBE_SECONDS,
  MAX_SINCE_LENGTH,
} from "@flintlock/core";

const TARGET = {
  type: "string",
  isRequired: "always",
  minLength: 1,
  maxLength: 127,
  note: "A uid, the beginning of one (4 characters at least), or a name.",
} as const;
const NAMESPACE = {
  type: "string",
  maxLength: 63,
  default: "any",
  note: "Where the name is looked up.",
} as const;
const REFERENCE = {
  type: "string",
  isRequired: "always",
  note: "An image, such as docker.io/library/alpine:3.20.",
} as const;

const GRACE_SECONDS = {
  type: "uint32",
  max: MAX_GRACE_SECONDS,
  default: "the daemon's --deleteMicroVM-timeout",
  note: "Time the guest gets to end by itself, in seconds; 0 is none.",
} as const;
const FORCE = {
  type: "bool",
  default: false,
  note: "The guest gets no time, as with a grace of 0.",
} as const;

const UID = { type: "string", isRequired: "always", minLength: 1, note: "A microVM's uid." } as const;

export const PARAMETER_RULES: Readonly<Record<string, FieldRule>> = {
  "microvm.services.api.v1alpha1.GetMicroVMRequest.uid": {
    ...UID,
    note: "A uid gets its microVM, anything else is a namespace whose microVMs are listed.",
  },
  "microvm.services.api.v1alpha1.DeleteMicroVMRequest.uid": UID,
  "microvm.services.api.v1alpha1.ListMicroVMsRequest.namespace": {
    type: "string",
    isRequired: "always",
    minLength: 1,
    note: "The namespace whose microVMs to send.",
  },
  "flintlock.v1.CreateRequest.microvm": { type: "message", isRequired: "always", note: "What to make." },
  "flintlock.v1.GetRequest.target": TARGET,
  "flintlock.v1.GetRequest.namespace": NAMESPACE,
  "flintlock.v1.DeleteRequest.target": TARGET,
  "flintlock.v1.DeleteRequest.namespace": NAMESPACE,
  "flintlock.v1.ListRequest.page_size": {
    type: "uint32",
    min: 1,
    max: 1000,
    default: "all on one page",
    note: "How many microVMs a page has.",
  },
  "flintlock.v1.ListRequest.page_token": {
    type: "string",
    maxLength: 26,
    pattern: /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/,
    default: "the first page",
    note: "The nextPageToken of the page before.",
  },
  "flintlock.v1.StartRequest.target": TARGET,
  "flintlock.v1.StartRequest.namespace": NAMESPACE,
  "flintlock.v1.StopRequest.target": TARGET,
  "flintlock.v1.StopRequest.namespace": NAMESPACE,
  "flintlock.v1.StopRequest.grace_seconds": GRACE_SECONDS,
  "flintlock.v1.StopRequest.force": FORCE,
  "flintlock.v1.RestartRequest.target": TARGET,
  "flintlock.v1.RestartRequest.namespace": NAMESPACE,
  "flintlock.v1.RestartRequest.grace_seconds": GRACE_SECONDS,
  "flintlock.v1.RestartRequest.force": FORCE,
  "flintlock.v1.PauseRequest.target": TARGET,
  "flintlock.v1.PauseRequest.namespace": NAMESPACE,
  "flintlock.v1.ResumeRequest.target": TARGET,
  "flintlock.v1.ResumeRequest.namespace": NAMESPACE,
  "flintlock.v1.WaitRequest.target": TARGET,
  "flintlock.v1.WaitRequest.namespace": NAMESPACE,
  "flintlock.v1.WaitRequest.condition": {
    type: "string",
    isRequired: "always",
    maxLength: 7,
    values: ["running", "paused", "stopped", "exited", "deleted", "settled"],
    note: "What to wait for; settled is anything but pending, and what was stopped has exited too.",
  },
  "flintlock.v1.ProbeRequest.target": TARGET,
  "flintlock.v1.ProbeRequest.namespace": NAMESPACE,
  "flintlock.v1.ProbeRequest.conditions": {
    ...CONDITIONS_RULE,
    isRequired: "always",
    note: "What to wait for, one after the other.",
  },
  "flintlock.v1.ProbeRequest.timeout_seconds": {
    type: "uint32",
    min: 1,
    max: MAX_PROBE_SECONDS,
    default: "as long as the call lasts",
    note: "For all of them together.",
  },
  "flintlock.v1.LogsRequest.target": TARGET,
  "flintlock.v1.LogsRequest.namespace": NAMESPACE,
  "flintlock.v1.LogsRequest.source": {
    type: "string",
    maxLength: 7,
    values: [...LOG_SOURCES, "all"],
    default: "console",
    note: "The guest's console, what the VMM said, what our init or agent reports from the guest, or all of them.",
  },
  "flintlock.v1.LogsRequest.since": {
    type: "string",
    maxLength: MAX_SINCE_LENGTH,
    pattern: LOG_SINCE,
    default: "all that is kept",
    note: "What came since then, to the second: a duration before now, such as 10m, or a time (RFC 3339).",
  },
  "flintlock.v1.WatchEventsRequest.since": {
    type: "string",
    maxLength: 40,
    pattern: /^(?:[0-9]{1,16}|beginning|[0-9]{4}-[0-9]{2}-[0-9]{2}T.*)$/,
    default: "from now on",
    note: "A position (what comes after it), a time (RFC 3339), or beginning (all that is kept).",
  },
  "flintlock.v1.WatchEventsRequest.namespace": { type: "string", default: "all", note: "Whose." },
  "flintlock.v1.WatchEventsRequest.target": {
    type: "string",
    default: "every microVM",
    note: "A uid or a name.",
  },
  "flintlock.v1.PullRequest.reference": REFERENCE,
  "flintlock.v1.PullRequest.policy": {
    type: "string",
    maxLength: 7,
    values: ["missing", "always"],
    default: "missing",
    note: "When the image is fetched.",
  },
  "flintlock.v1.InspectImageRequest.reference": REFERENCE,
  "flintlock.v1.RemoveImageRequest.reference": REFERENCE,
};
