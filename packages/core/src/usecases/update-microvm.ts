/** Changes a microVM: every rule checked against the newest record, which is durable before the answer. */
import type { MicroVM } from "../domain/microvm.ts";
import { changesOf, type UpdateInput, updated } from "../domain/update.ts";
import { providerOf } from "../reconcile/ports.ts";
import type { Target, Updated } from "./api.ts";
import type { CreateParts } from "./create-microvm.ts";
import { checkQuotas } from "./quota-check.ts";
import { resolveTarget } from "./target.ts";

export const updateMicroVM =
  ({ ports, limits, quotas, poke }: CreateParts) =>
  async (target: Target, input: UpdateInput, dryRun: boolean): Promise<Updated> => {
    const { repository } = ports;
    const current = resolveTarget(repository, target);
    let before = current;
    const change = (vm: MicroVM): MicroVM => {
      const { maxVcpu } = providerOf(ports, vm).traits;
      const after = updated(vm, input, {
        ...limits,
        maxVcpu: Math.min(limits.maxVcpu, maxVcpu),
        now: ports.clock.now(),
      });
      const hasGrown = after.spec.vcpu > vm.spec.vcpu || after.spec.memoryMib > vm.spec.memoryMib;
      // INVARIANT: nothing is awaited between this and the claim that the repository makes of what it is given
      if (hasGrown) checkQuotas(repository.claimed(), after, quotas);
      before = vm;
      return after;
    };
    const microvm = dryRun ? change(current) : await repository.update(current.uid, change);
    if (!dryRun) poke(current.uid);
    return { microvm, changes: changesOf(before, microvm) };
  };
