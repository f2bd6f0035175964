/** What this host can do, and the proof: each provider that works here boots a VM. */
import { toFlintlockError } from "../domain/errors.ts";
import type { ProviderName, ProviderWish } from "../domain/microvm.ts";
import type { Clock } from "../ports/clock.ts";
import type { HostAnswer, HostCheck, HostInfo, HostUseCases, MicroVMUseCases, ProviderInfo } from "./api.ts";
import { bootProbe } from "./boot-probe.ts";

/** One question to the host. */
export interface HostProbe {
  readonly name: string;
  /** Throws a `FlintlockError` when the answer is no: its message and hint are shown. */
  run(signal: AbortSignal): Promise<HostAnswer>;
}

export interface HostParts {
  readonly info: () => Promise<HostInfo>;
  readonly probes: readonly HostProbe[];
  readonly microvms: MicroVMUseCases;
  readonly clock: Clock;
}

export const hostUseCases = ({ info, probes, microvms, clock }: HostParts): HostUseCases => ({
  info,
  async *check(signal) {
    for (const probe of probes) yield await timed(probe, clock, signal);
    const { providers, defaultProvider } = await info();
    for (const provider of providers) yield providerCheck(provider, defaultProvider);
    let booted: ProviderName | undefined;
    const boot = bootProbe(microvms, "", (name) => {
      booted = name;
    });
    yield await timed({ name: "boot", run: boot }, clock, signal);
    for (const { name, isUsable } of providers) {
      if (!isUsable || name === booted) continue;
      yield asWarning(await timed({ name: `boot ${name}`, run: bootProbe(microvms, name) }, clock, signal));
    }
  },
});

const providerCheck = (
  { name, isUsable, reason, hint = "" }: ProviderInfo,
  defaultProvider: ProviderWish,
): HostCheck => {
  const isMissed = !isUsable && name === defaultProvider;
  const result = isMissed ? "fail" : isUsable && hint === "" ? "ok" : "warn";
  return { name, result, detail: isUsable ? reason : `not available: ${reason}`, hint, ms: 0 };
};

/** Nothing depends on a provider that nobody asks for. */
const asWarning = (check: HostCheck): HostCheck =>
  check.result === "fail" ? { ...check, result: "warn" } : check;

const timed = async (probe: HostProbe, clock: Clock, signal: AbortSignal): Promise<HostCheck> => {
  const started = clock.monotonic();
  const ms = () => clock.monotonic() - started;
  try {
    const { result, detail, hint = "" } = await probe.run(signal);
    return { name: probe.name, result, detail, hint, ms: ms() };
  } catch (error) {
    const { message, hint = "" } = toFlintlockError(error);
    return { name: probe.name, result: "fail", detail: message, hint, ms: ms() };
  }
};
