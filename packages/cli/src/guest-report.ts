/** What guests say of themselves, asked of those that run. A guest that says nothing is left out, and holds up nothing. */
import { type Client, ext } from "@flintlock/client";
import { uidOf } from "./microvm-view.ts";
import { forEachTarget } from "./targets.ts";

/** By uid. */
export type GuestReports = ReadonlyMap<string, ext.GuestStats>;

export const askGuests = async (
  client: Client,
  vms: readonly ext.MicroVM[],
  signal: AbortSignal,
): Promise<GuestReports> => {
  const running = vms.filter(({ state }) => state === ext.State.RUNNING).map(uidOf);
  const outcomes = await forEachTarget(running, signal, (target) =>
    client.microvms.stats({ target }, { signal }),
  );
  return new Map(
    outcomes.flatMap((outcome) =>
      "value" in outcome && outcome.value.guest !== undefined ? [[outcome.target, outcome.value.guest]] : [],
    ),
  );
};
