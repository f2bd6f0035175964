/** What can be changed of a microVM that exists. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ext } from "@flintlock/api";
import { balloonOf, type RestartPolicyName, refuseUnknown, restartPolicy } from "./create-options.ts";
import { type ExpiryOption, expiryOf } from "./expiry-option.ts";
import { type LimitsOption, limitsOf } from "./limits-option.ts";
import { type ListenerOption, listenerOf, type PortOption, portOf } from "./port-option.ts";
import { mebibytes, type Size, whole } from "./size-option.ts";

export interface MicroVMChanges extends ExpiryOption {
  /** Added, or in place of those with the same key */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly removeLabels?: readonly string[] | undefined;
  readonly restart?: RestartPolicyName | undefined;
  readonly maxRestarts?: number | undefined;
  readonly protected?: boolean | undefined;
  readonly vcpu?: number | undefined;
  /** MiB, or a text such as "2G" */
  readonly memory?: Size | undefined;
  /** Size of the root file system, which only grows */
  readonly disk?: Size | undefined;
  /** Of further volumes, by id */
  readonly volumeSizes?: Readonly<Record<string, Size>> | undefined;
  readonly limits?: LimitsOption | undefined;
  /** Memory that the host takes back, as `memory`; 0: none */
  readonly balloon?: Size | undefined;
  /** Guest ports to publish besides those that are, as `ports` of `run` */
  readonly publish?: readonly PortOption[] | undefined;
  /** Host ports to publish no longer */
  readonly unpublish?: readonly ListenerOption[] | undefined;
  /** Only while its version (`message.microvm.version`) is this; otherwise the error is `conflict` */
  readonly ifVersion?: number | undefined;
  /** Changes nothing, and says what would change */
  readonly dryRun?: boolean | undefined;
}

export interface UpdateResult {
  /** Empty when all was so already */
  readonly changes: readonly {
    /** As on the wire, such as `memory_in_mb` */
    readonly field: string;
    readonly effect: "live" | "next-start";
  }[];
}

const NAMES: Readonly<Record<keyof MicroVMChanges, true>> = {
  labels: true,
  removeLabels: true,
  restart: true,
  maxRestarts: true,
  protected: true,
  vcpu: true,
  memory: true,
  disk: true,
  volumeSizes: true,
  limits: true,
  balloon: true,
  ttlSeconds: true,
  idleSeconds: true,
  expiryAction: true,
  publish: true,
  unpublish: true,
  ifVersion: true,
  dryRun: true,
};

/** @throws ClientError `invalid_spec` */
export const updateRequest = (
  target: string,
  changes: MicroVMChanges,
): MessageInitShape<typeof ext.UpdateRequestSchema> => {
  refuseUnknown(changes, Object.keys(NAMES));
  const { labels, removeLabels, restart, maxRestarts, vcpu, memory, ifVersion, dryRun } = changes;
  const { disk, limits, balloon } = changes;
  const { action: expiryAction, ...times } = expiryOf(changes);
  return {
    target,
    ...(labels === undefined ? {} : { labels: { ...labels } }),
    ...(removeLabels === undefined ? {} : { removeLabels: [...removeLabels] }),
    ...(restart === undefined ? {} : { restart: restartPolicy(restart) }),
    ...(maxRestarts === undefined ? {} : { maxRestarts: whole("maxRestarts", maxRestarts) }),
    ...(changes.protected === undefined ? {} : { protected: changes.protected }),
    ...(vcpu === undefined ? {} : { vcpu: whole("vcpu", vcpu) }),
    ...(memory === undefined ? {} : { memoryInMb: mebibytes("memory", memory) }),
    ...(disk === undefined ? {} : { diskInMb: mebibytes("disk", disk) }),
    volumeSizes: Object.entries(changes.volumeSizes ?? {}).map(([id, size]) => ({
      id,
      sizeInMb: mebibytes(`volumeSizes.${id}`, size),
    })),
    ...(limits === undefined ? {} : { limits: limitsOf(limits) }),
    ...(balloon === undefined ? {} : { balloonMib: balloonOf(balloon) }),
    ...times,
    ...(expiryAction === undefined ? {} : { expiryAction }),
    publish: (changes.publish ?? []).map((port, index) => portOf(port, `publish[${index}]`)),
    unpublish: (changes.unpublish ?? []).map((port, index) => listenerOf(port, `unpublish[${index}]`)),
    ...(ifVersion === undefined ? {} : { ifVersion: whole("ifVersion", ifVersion) }),
    ...(dryRun === undefined ? {} : { dryRun }),
  };
};
