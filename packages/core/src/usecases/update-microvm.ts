/** Changes a microVM: every rule checked against the newest record, which is durable before the answer. */
import type { Adjusting } from "../domain/machine-settings.ts";
import type { MicroVM, PortPublication } from "../domain/microvm.ts";
import { newListeners } from "../domain/port-changes.ts";
import { changesOf, type FieldChange, isOfMachine, type UpdateInput, updated } from "../domain/update.ts";
import { observeMachine } from "../reconcile/observe.ts";
import { type Ports, providerOf } from "../reconcile/ports.ts";
import type { Target, Updated } from "./api.ts";
import { checkCapabilities } from "./capabilities.ts";
import { choosePorts, neighbours } from "./choose-ports.ts";
import type { CreateParts } from "./create-microvm.ts";
import { checkQuotas } from "./quota-check.ts";
import { resolveTarget } from "./target.ts";

/** How long an answer waits for what is changed at once: a guest that is slow goes on meanwhile */
const ADJUST_WAIT_MS = 60_000;

export const updateMicroVM =
  (parts: CreateParts) =>
  async (target: Target, input: UpdateInput, dryRun: boolean): Promise<Updated> => {
    const { ports, limits, quotas, poke } = parts;
    const { repository } = ports;
    const current = resolveTarget(repository, target);
    const { traits } = providerOf(ports, current);
    const facts = {
      ...limits,
      maxVcpu: Math.min(limits.maxVcpu, traits.maxVcpu),
      now: ports.clock.now(),
      volumeSizes: await ports.volumes.observe(ports.directories.path(current)),
    };
    const live = await liveOf(current, ports);
    const publish = await freePorts(current, updated(current, input, facts), parts);
    const request = { ...input, ...publish };
    let before = current;
    const change = (vm: MicroVM): MicroVM => {
      const after = updated(vm, request, facts);
      if (after !== vm) checkCapabilities(after.spec, traits);
      const hasGrown = after.spec.vcpu > vm.spec.vcpu || after.spec.memoryMib > vm.spec.memoryMib;
      // INVARIANT: nothing is awaited between this and the claim that the repository makes of what it is given
      if (hasGrown) checkQuotas(repository.claimed(), after, quotas);
      before = vm;
      return after;
    };
    if (dryRun) {
      const microvm = change(current);
      return { microvm, changes: changesOf(before, microvm, live) };
    }
    const microvm = await repository.update(current.uid, change);
    poke(current.uid);
    const changes = changesOf(before, microvm, live);
    return await onceAdjusted(microvm, changes, parts);
  };

/** Undefined too when the host does not say: then a change waits for the next start. */
const liveOf = async (vm: MicroVM, ports: Ports): Promise<Adjusting | undefined> => {
  const machine = await observeMachine(vm, ports.directories.path(vm), ports).catch(() => undefined);
  return machine !== undefined && "live" in machine ? machine.live : undefined;
};

/** What it is to publish besides, each with a port that is free now. */
const freePorts = async (
  { spec: { ports: before }, namespace }: MicroVM,
  { spec: { ports: after } }: MicroVM,
  { ports, hostPorts }: CreateParts,
): Promise<{ readonly publish?: readonly PortPublication[] }> => {
  if (after === before) return {};
  const fresh = newListeners(before, after);
  const free = await choosePorts(fresh, hostPorts, () => neighbours(ports, namespace));
  const kept = after.filter((port) => !fresh.includes(port) && !before.includes(port));
  return { publish: [...kept, ...free] };
};

/** What is changed at once has been, when it is answered; what could not be is the next start's. */
const onceAdjusted = async (
  microvm: MicroVM,
  changes: readonly FieldChange[],
  { ports, idle }: CreateParts,
): Promise<Updated> => {
  const isAwaited = (change: FieldChange): boolean => change.effect === "live" && isOfMachine(change);
  if (microvm.status.state !== "created" || !changes.some(isAwaited)) return { microvm, changes };
  const enough = new AbortController();
  const late = ports.clock.sleep(ADJUST_WAIT_MS, enough.signal).catch(() => undefined);
  await Promise.race([idle(microvm.uid), late]);
  enough.abort();
  const now = ports.repository.find(microvm.uid) ?? microvm;
  if (now.status.failure?.step !== "adjustMachine") return { microvm: now, changes };
  return {
    microvm: now,
    changes: changes.map((change) => (isAwaited(change) ? { ...change, effect: "next-start" } : change)),
  };
};
