/** The providers and what they say of this host, in the order that "auto" prefers. */
import { availabilityOf } from "../reconcile/availability.ts";
import type { Ports } from "../reconcile/ports.ts";
import type { Candidate } from "./choose-provider.ts";

export const askCandidates = ({
  providers,
  clock,
}: Pick<Ports, "providers" | "clock">): Promise<readonly Candidate[]> =>
  Promise.all(
    [...providers.values()].map(async (provider) => ({
      traits: provider.traits,
      availability: await availabilityOf(provider, clock),
    })),
  );
