/** Carries out `awaitCondition`: until the guest meets a condition, its VMM ends, or the time for all of them is over. */
import { parseCondition } from "../domain/guest-condition.ts";
import type { MicroVM } from "../domain/microvm.ts";
import { readyDeadline, withConditionMet } from "../domain/readiness.ts";
import type { UnixMs } from "../domain/units.ts";
import type { Ports } from "./ports.ts";
import { providerOf } from "./ports.ts";
import { answersUntilMet } from "./until-met.ts";

/**
 * The record holds since when the guest is up, and what it has met: a daemon that starts again goes on waiting.
 * @throws FlintlockError `deadline_exceeded` – with what was seen last; or why it will never be met
 */
export const meetCondition = async (
  vm: MicroVM,
  condition: string,
  ports: Ports,
  signal: AbortSignal,
): Promise<void> => {
  const { clock, directories, probe, repository } = ports;
  const { readyWhen } = vm.spec;
  if (readyWhen === undefined) return;
  const readyAt = vm.status.readyAt ?? (await noteReady(vm, ports));
  const provider = providerOf(ports, vm);
  const ref = { uid: vm.uid, directory: directories.path(vm) };
  const parsed = parseCondition(condition, "ready_when.conditions");

  const over = new AbortController();
  const stop = (): void => over.abort(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  const ask = (attempt: AbortSignal) =>
    probe.ask(parsed, (port, opening) => provider.connect(ref, port, opening), attempt);
  const silence = () => "the guest does not answer";
  const limit = { until: readyDeadline(readyWhen, readyAt), ms: readyWhen.timeoutMs };
  const met = async (): Promise<boolean> => {
    let isMet = false;
    const answers = answersUntilMet({ condition, ask, silence, limit }, clock, over.signal);
    for await (const answer of answers) isMet = answer.isMet;
    return isMet;
  };
  try {
    signal.throwIfAborted();
    // Whoever looks at the host next finds that the guest has ended. A watch that fails is one that does not see it.
    const ended = provider.exited(ref, over.signal).then(
      () => false,
      () => new Promise<never>(() => {}),
    );
    const isMet = await Promise.race([met(), ended]);
    if (!isMet) return;
    await repository.update(vm.uid, (record) => withConditionMet(record, condition, readyAt, clock.now()));
    ports.log.info("a condition is met", { uid: vm.uid, condition });
  } finally {
    over.abort(signal.reason);
    signal.removeEventListener("abort", stop);
  }
};

/** A daemon died between the guest's readiness and the record of it. */
const noteReady = async ({ uid }: MicroVM, { clock, repository }: Ports): Promise<UnixMs> => {
  const now = clock.now();
  await repository.updateStatus(uid, { readyAt: now });
  return now;
};
