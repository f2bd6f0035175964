/** What can be changed of a microVM that exists. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ext } from "@flintlock/api";
import { type RestartPolicyName, refuseUnknown, restartPolicy } from "./create-options.ts";
import { mebibytes, type Size, whole } from "./size-option.ts";

export interface MicroVMChanges {
  /** Added, or in place of those with the same key */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly removeLabels?: readonly string[] | undefined;
  readonly restart?: RestartPolicyName | undefined;
  readonly maxRestarts?: number | undefined;
  readonly protected?: boolean | undefined;
  readonly vcpu?: number | undefined;
  /** MiB, or a text such as "2G" */
  readonly memory?: Size | undefined;
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
  return {
    target,
    ...(labels === undefined ? {} : { labels: { ...labels } }),
    ...(removeLabels === undefined ? {} : { removeLabels: [...removeLabels] }),
    ...(restart === undefined ? {} : { restart: restartPolicy(restart) }),
    ...(maxRestarts === undefined ? {} : { maxRestarts: whole("maxRestarts", maxRestarts) }),
    ...(changes.protected === undefined ? {} : { protected: changes.protected }),
    ...(vcpu === undefined ? {} : { vcpu: whole("vcpu", vcpu) }),
    ...(memory === undefined ? {} : { memoryInMb: mebibytes("memory", memory) }),
    ...(ifVersion === undefined ? {} : { ifVersion: whole("ifVersion", ifVersion) }),
    ...(dryRun === undefined ? {} : { dryRun }),
  };
};
