/**
 * Which provider a microVM gets: the one that was asked for, or the first that works on this host and can do all that the
 * spec asks. Pure: what the host says comes with the candidates. What is said here is for people.
 */
import { FlintlockError } from "../domain/errors.ts";
import type { MicroVMSpec, ProviderName } from "../domain/microvm.ts";
import type { ParsedSpec } from "../domain/spec-rules.ts";
import type { NetworkManager } from "../ports/network-manager.ts";
import type { Availability, ProviderTraits } from "../ports/provider.ts";
import { checkCapabilities } from "./capabilities.ts";
import { withLink } from "./interface-links.ts";

export interface Candidate {
  readonly traits: ProviderTraits;
  readonly availability: Availability;
}

export interface PassedOver {
  readonly provider: ProviderName;
  readonly why: string;
}

export interface Choice {
  /** With the provider that was chosen, and the links it has for the interfaces */
  readonly spec: MicroVMSpec;
  readonly traits: ProviderTraits;
  /** Why this one, in one sentence */
  readonly reason: string;
  /** Those that "auto" prefers to it */
  readonly passedOver: readonly PassedOver[];
}

export interface ChoiceFacts {
  /** Those first that "auto" prefers */
  readonly candidates: readonly Candidate[];
  readonly network: Pick<NetworkManager, "serves">;
  /** The request left the provider to the daemon */
  readonly isByDefault: boolean;
}

/**
 * @throws FlintlockError `failed_precondition` – it cannot do what the spec asks, or not on this host; of "auto": why each
 *   was passed over; `invalid_spec` – more processors than it gives; `permission_denied` – a bridge that is not allowed
 */
export const chooseProvider = (spec: ParsedSpec, facts: ChoiceFacts): Choice =>
  spec.provider === "auto" ? firstFit(spec, facts) : named(spec, spec.provider, facts);

const named = (
  spec: ParsedSpec,
  name: ProviderName,
  { candidates, network, isByDefault }: ChoiceFacts,
): Choice => {
  const candidate = candidates.find(({ traits }) => traits.name === name);
  // COMPAT: the words are upstream's.
  const notAvailable = `provider: microvm provider ${name} isn't available`;
  if (candidate === undefined) throw new FlintlockError("unsupported", notAvailable);
  const { traits, availability } = candidate;
  if (!availability.isUsable) {
    throw new FlintlockError("failed_precondition", `${notAvailable}: ${brief(availability.reason)}`, {
      detail: { field: "provider", provider: name },
      hint: availability.hint,
    });
  }
  const fit = fitOf(spec, traits, network);
  if (fit instanceof FlintlockError) throw withOthers(fit, spec, { candidates, network });
  return {
    spec: fit,
    traits,
    reason: isByDefault ? "the daemon's default" : "asked for by name",
    passedOver: [],
  };
};

const firstFit = (spec: ParsedSpec, { candidates, network }: ChoiceFacts): Choice => {
  const trials = candidates.map((candidate) => trial(candidate, spec, network));
  const fits = trials.flatMap((each) => ("fit" in each ? [each] : []));
  // People expect a network where they ask for none in particular.
  const chosen = fits.find(({ fit }) => fit.isOffline !== true) ?? fits[0];
  if (chosen === undefined) throw noneFits(trials);
  const passedOver = trials.slice(0, trials.indexOf(chosen)).map(passed);
  const why = passedOver.map(({ provider, why }) => `${provider} was passed over: ${why}`);
  const order = why.length > 0 ? why : ["the first of those that this daemon knows"];
  const lack = chosen.fit.isOffline === true ? ["no provider here has a network of its own"] : [];
  return {
    spec: chosen.fit,
    traits: chosen.traits,
    reason: `auto: ${[...order, ...lack].join("; ")}`,
    passedOver,
  };
};

type Trial = Candidate & ({ readonly fit: MicroVMSpec } | { readonly refusal: FlintlockError });

const trial = (candidate: Candidate, spec: ParsedSpec, network: ChoiceFacts["network"]): Trial => {
  const { traits, availability } = candidate;
  const fit = fitOf(spec, traits, network);
  if (fit instanceof FlintlockError) return { ...candidate, refusal: fit };
  if (availability.isUsable) return { ...candidate, fit };
  const { reason, hint } = availability;
  const detail = { field: "provider", provider: traits.name };
  return { ...candidate, refusal: new FlintlockError("failed_precondition", reason, { detail, hint }) };
};

const passed = (each: Trial): PassedOver => ({
  provider: each.traits.name,
  why:
    "refusal" in each
      ? brief(each.refusal.message)
      : "no interface is asked for, and it has no network of its own",
});

/** With one candidate, its own words say it all. */
const noneFits = (trials: readonly Trial[]): FlintlockError => {
  const refusals = trials.flatMap((each) => ("refusal" in each ? [each.refusal] : []));
  const [only] = refusals;
  if (only === undefined) return new FlintlockError("unsupported", "provider: none is enabled on this host");
  if (refusals.length === 1) return only;
  const usable = trials.find(({ availability }) => availability.isUsable);
  const nearest = usable !== undefined && "refusal" in usable ? usable.refusal : only;
  const each = trials.map(passed).map(({ provider, why }) => `${provider}: ${why}`);
  return new FlintlockError(
    "failed_precondition",
    `no microvm provider of this host can run it: ${each.join("; ")}`,
    {
      detail: { field: nearest.detail["field"] ?? "provider" },
      // What would help the one that works, or make one work that could do it
      hint: nearest.hint ?? refusals.find(({ hint }) => hint !== undefined)?.hint,
    },
  );
};

/** The spec as this provider would run it, or why it would not. @throws FlintlockError `permission_denied` */
const fitOf = (
  parsed: ParsedSpec,
  traits: ProviderTraits,
  network: ChoiceFacts["network"],
): MicroVMSpec | FlintlockError => {
  try {
    const interfaces = parsed.interfaces.map((iface, index) => withLink(iface, index, network, traits));
    const isOffline = interfaces.length === 0 && !traits.capabilities.has("user-network");
    const spec = { ...parsed, provider: traits.name, interfaces, ...(isOffline && { isOffline }) };
    checkCapabilities(spec, traits);
    return spec;
  } catch (error) {
    // Whoever may not name a bridge may not name it to any provider.
    if (error instanceof FlintlockError && error.code !== "permission_denied") return error;
    throw error;
  }
};

const withOthers = (
  refusal: FlintlockError,
  spec: ParsedSpec,
  { candidates, network }: Pick<ChoiceFacts, "candidates" | "network">,
): FlintlockError => {
  const able = candidates.filter(({ traits }) => !(fitOf(spec, traits, network) instanceof FlintlockError));
  if (able.length === 0) return refusal;
  const words = able.map(
    ({ traits, availability }) =>
      `${traits.name} can${availability.isUsable ? "" : ", once it works on this host"}`,
  );
  return new FlintlockError(refusal.code, refusal.message, {
    detail: refusal.detail,
    violations: refusal.violations,
    hint: [...words, ...(refusal.hint === undefined ? [] : [`or ${refusal.hint}`])].join("; "),
  });
};

const MAX_WHY = 300;

/** Without what would make a sentence of several into a broken one. */
const brief = (text: string): string => {
  const line = text.replaceAll(/\s+/g, " ").replace(/\.$/, "");
  return line.length > MAX_WHY ? `${line.slice(0, MAX_WHY)}…` : line;
};
