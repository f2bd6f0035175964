/** One microVM's numbers: what its VMM takes, as the host counts it, and what its guest says of itself. */
import { FlintlockError, toFlintlockError } from "../domain/errors.ts";
import type { GuestStats } from "../domain/guest-stats.ts";
import type { MicroVM } from "../domain/microvm.ts";
import { unlessAborted } from "../kit/unless-aborted.ts";
import type { Clock } from "../ports/clock.ts";
import type { GuestSessions } from "../ports/guest-sessions.ts";
import { type ByteStream, VMM_GROUP } from "../ports/provider.ts";
import type { MicroVMMeasurement, MicroVMStats, MicroVMUseCases, Target, VmmUse } from "./api.ts";
import { MEASURE_MS } from "./measure.ts";

export interface StatsParts {
  readonly clock: Clock;
  readonly sessions: Pick<GuestSessions, "stats">;
  readonly measure: MicroVMUseCases["measure"];
  resolve(target: Target): MicroVM;
  /** To the guest's agent */
  connect(vm: MicroVM, signal: AbortSignal): Promise<ByteStream>;
}

export const statsOf =
  ({ clock, sessions, measure, resolve, connect }: StatsParts): MicroVMUseCases["stats"] =>
  async (target, signal): Promise<MicroVMStats> => {
    const vm = resolve(target);
    const ask = async (): Promise<Pick<MicroVMStats, "guest" | "guestError">> => {
      const none = { guest: undefined, guestError: undefined };
      if (vm.status.state !== "created") return none;
      const control = new AbortController();
      const silence = clock.alarm(MEASURE_MS, () => control.abort(tooSlow()));
      const both = AbortSignal.any([signal, control.signal]);
      try {
        return { ...none, guest: await unlessAborted(answer(vm, both), both) };
      } catch (error) {
        return { ...none, guestError: toFlintlockError(error) };
      } finally {
        silence();
      }
    };
    const answer = async (asked: MicroVM, both: AbortSignal): Promise<GuestStats> =>
      sessions.stats(await connect(asked, both), both);
    const [[measured], guest] = await Promise.all([measure([vm.uid], "vmm", signal), ask()]);
    signal.throwIfAborted();
    return { microvm: vm, at: clock.now(), vmm: vmmUse(measured), vmmError: measured?.error, ...guest };
  };

const vmmUse = (measured: MicroVMMeasurement | undefined): VmmUse | undefined => {
  const value = (key: string): number | undefined =>
    measured?.metrics.find((metric) => metric.group === VMM_GROUP && metric.key === key)?.value;
  const [cpuMs, residentBytes] = [value("cpu_milliseconds"), value("resident_bytes")];
  return cpuMs === undefined || residentBytes === undefined ? undefined : { cpuMs, residentBytes };
};

const tooSlow = (): FlintlockError =>
  new FlintlockError("deadline_exceeded", `the guest said nothing within ${MEASURE_MS} ms`);
