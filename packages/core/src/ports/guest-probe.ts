import type { FlintlockError } from "../domain/errors.ts";
import type { GuestCondition } from "../domain/guest-condition.ts";
import type { ByteStream } from "./provider.ts";

/** Opens a stream to a port of one guest, as `Provider.connect` does. */
export type OpenGuestPort = (port: number, signal: AbortSignal) => Promise<ByteStream>;

export interface ProbeAnswer {
  readonly isMet: boolean;
  /** What was seen, in the guest's words where it has some: one line, at most 300 characters, not to be believed */
  readonly seen: string;
  /** Why it will never be met, however often it is asked */
  readonly hopeless?: FlintlockError | undefined;
}

/** Asks a guest, once, whether a condition holds; the way there is the agent's. */
export interface GuestProbe {
  /** Never waits for the condition. @throws FlintlockError – the guest could not be asked, or not in time */
  ask(condition: GuestCondition, open: OpenGuestPort, signal: AbortSignal): Promise<ProbeAnswer>;
}
