/** Whether a microVM, new or with other sizes, fits into its namespace's quota and its creator's. */
import { FlintlockError } from "../domain/errors.ts";
import type { MicroVM } from "../domain/microvm.ts";
import type { Quota, Quotas } from "../domain/quota.ts";

/**
 * `existing` must hold what is being created and changed at this moment too; when the wanted one is claimed in the same
 * tick, no two can both take the last place. What it holds of the wanted one itself does not count.
 * @throws FlintlockError `exhausted` – says what is used, asked and allowed
 */
export const checkQuotas = (existing: Iterable<MicroVM>, wanted: MicroVM, quotas: Quotas): void => {
  const { namespace, createdBy } = wanted;
  const bounds = [
    { owner: `namespace ${namespace}`, quota: quotas.ofNamespace(namespace), used: newUsage() },
    { owner: `caller ${createdBy}`, quota: quotas.ofCaller(createdBy), used: newUsage() },
  ] as const;
  if (!bounds.some(({ quota }) => isBound(quota))) return;
  const [ofNamespace, ofCaller] = bounds;
  for (const vm of existing) {
    if (vm.uid === wanted.uid) continue;
    if (vm.namespace === namespace) add(ofNamespace.used, vm);
    if (vm.createdBy === createdBy) add(ofCaller.used, vm);
  }
  const asked = newUsage();
  add(asked, wanted);
  for (const { owner, quota, used } of bounds) {
    for (const [what, label] of RESOURCES) {
      const limit = quota[what];
      if (limit === undefined || used[what] + asked[what] <= limit) continue;
      throw new FlintlockError(
        "exhausted",
        `${owner}: over its quota of ${label}: ${used[what]} used, ${asked[what]} asked, the limit is ${limit}`,
        {
          detail: { quota: owner, resource: label, used: used[what], asked: asked[what], limit },
          hint: "Delete microvms there, or ask whoever runs the daemon for more.",
        },
      );
    }
  }
};

type Usage = { -readonly [K in keyof Quota]: number };

/** In the words of the credentials file. */
const RESOURCES = [
  ["microvms", "microvms"],
  ["vcpu", "vcpu"],
  ["memoryMib", "memory_in_mb"],
] as const satisfies readonly (readonly [keyof Quota, string])[];

const newUsage = (): Usage => ({ microvms: 0, vcpu: 0, memoryMib: 0 });

const isBound = (quota: Quota): boolean => RESOURCES.some(([what]) => quota[what] !== undefined);

const add = (usage: Usage, { spec }: MicroVM): void => {
  usage.microvms += 1;
  usage.vcpu += spec.vcpu;
  usage.memoryMib += spec.memoryMib;
};
