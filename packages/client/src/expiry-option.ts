import { ext } from "@flintlock/api";
import { ClientError } from "./client-error.ts";
import { whole } from "./size-option.ts";

/** How long a microVM lives, at most 366 days. */
export interface ExpiryOption {
  /** From now on; 0: without end. Absent: as it is, or without end */
  readonly ttlSeconds?: number | undefined;
  /** Longest time without a session while the guest is ready; 0: none */
  readonly idleSeconds?: number | undefined;
  /** "delete" at the end of its time and "stop" when idle, when absent */
  readonly expiryAction?: "delete" | "stop" | undefined;
}

/** @throws ClientError `invalid_spec` */
export const expiryOf = ({ ttlSeconds, idleSeconds, expiryAction }: ExpiryOption) => ({
  ...(ttlSeconds !== undefined && { ttlSeconds: whole("ttlSeconds", ttlSeconds) }),
  ...(idleSeconds !== undefined && { idleSeconds: whole("idleSeconds", idleSeconds) }),
  ...(expiryAction !== undefined && { action: actionOf(expiryAction) }),
});

const actionOf = (action: string): ext.Expiry_Action => {
  if (action === "delete") return ext.Expiry_Action.DELETE;
  if (action === "stop") return ext.Expiry_Action.STOP;
  throw new ClientError("invalid_spec", 'expiryAction: must be "delete" or "stop"', {
    field: "expiryAction",
  });
};
