/**
 * What a list is asked for. `flintlock.v1` has fields; v1alpha1's messages stay upstream's, and there filters and pages
 * come as metadata, so that a client that knows nothing of them notices nothing.
 */
import { ext, type wire } from "@flintlock/api";
import {
  invalidField,
  type ListFilter,
  type MicroVMState,
  type PageRequest,
  SPEC_FIELD_RULES,
} from "@flintlock/core";
import type { RequestMetadata } from "../metadata.ts";

/** Request metadata; over HTTP `Grpc-Metadata-Flintlock-…`. */
export const LIST_METADATA = {
  /** `key=value`, several parted by commas */
  labels: "flintlock-labels",
  /** State names, several parted by commas */
  states: "flintlock-states",
  pageSize: "flintlock-page-size",
  pageToken: "flintlock-page-token",
} as const;

/** Response metadata. */
export const NEXT_PAGE_TOKEN = "flintlock-next-page-token";

export interface ListRequest {
  readonly filter: ListFilter;
  readonly page: PageRequest;
}

export const wireListRequest = (
  { namespace, name }: wire.ListMicroVMsRequest,
  metadata: RequestMetadata,
): ListRequest => ({
  filter: {
    namespace,
    // An empty name is no filter, as upstream
    name: name === "" ? undefined : name,
    labels: labelsOf(metadata.get(LIST_METADATA.labels) ?? ""),
    states: partsOf(metadata.get(LIST_METADATA.states) ?? "").map(stateOfWord),
  },
  page: {
    size: sizeOf(metadata.get(LIST_METADATA.pageSize) ?? ""),
    token: metadata.get(LIST_METADATA.pageToken) ?? "",
  },
});

export const extendedListRequest = (request: ext.ListRequest): ListRequest => ({
  filter: {
    namespace: request.namespace,
    name: request.name === "" ? undefined : request.name,
    labels: request.labels,
    states: request.states.map((state, index) => {
      const known = STATES.get(state);
      if (known !== undefined) return known;
      throw invalidField(`states[${index}]`, `${state} is not a state`);
    }),
  },
  page: { size: request.pageSize, token: request.pageToken },
});

const STATES: ReadonlyMap<ext.State, MicroVMState> = new Map([
  [ext.State.PENDING, "pending"],
  [ext.State.RUNNING, "created"],
  [ext.State.PAUSED, "paused"],
  [ext.State.STOPPED, "stopped"],
  [ext.State.EXITED, "exited"],
  [ext.State.FAILED, "failed"],
  [ext.State.DELETING, "deleting"],
]);

/** v1alpha1's word for it, and our own for those it has none for. */
const WORDS: ReadonlyMap<string, MicroVMState> = new Map([
  ["pending", "pending"],
  ["created", "created"],
  ["running", "created"],
  ["paused", "paused"],
  ["stopped", "stopped"],
  ["exited", "exited"],
  ["failed", "failed"],
  ["deleting", "deleting"],
]);

const stateOfWord = (text: string): MicroVMState => {
  const state = WORDS.get(text.toLowerCase());
  if (state !== undefined) return state;
  throw invalidField(
    LIST_METADATA.states,
    `${JSON.stringify(text.slice(0, 40))} is not a state: use ${[...WORDS.keys()].join(", ")}`,
  );
};

const MAX_LABELS = SPEC_FIELD_RULES["labels"]?.maxItems ?? 0;

const labelsOf = (text: string): Readonly<Record<string, string>> => {
  const pairs = partsOf(text).map((part) => {
    const at = part.indexOf("=");
    if (at > 0) return [part.slice(0, at), part.slice(at + 1)] as const;
    throw invalidField(LIST_METADATA.labels, `${JSON.stringify(part.slice(0, 40))} is not key=value`);
  });
  if (pairs.length > MAX_LABELS)
    throw invalidField(LIST_METADATA.labels, `at most ${MAX_LABELS} are possible`);
  return Object.fromEntries(pairs);
};

const sizeOf = (text: string): number => {
  if (text === "") return 0;
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw invalidField(LIST_METADATA.pageSize, "must be a whole number");
};

const partsOf = (text: string): readonly string[] =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
