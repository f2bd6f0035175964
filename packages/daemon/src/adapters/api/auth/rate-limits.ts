/** How often one may ask: callers by name, and addresses that send wrong credentials. */
import { type Caller, FlintlockError, LOCAL_CALLER, toFlintlockError } from "@flintlock/core";
import type { CallInfo, Interceptor } from "../interceptor.ts";
import { type AccessRules, ANONYMOUS, NOBODY } from "./access-rules.ts";
import type { Authenticator, Credentials } from "./authenticator.ts";
import { addressKey } from "./peer-address.ts";
import { createTokenBuckets } from "./token-buckets.ts";

/** Keys that are remembered; some 200 bytes each */
const MAX_KEYS = 10_000;

export interface RateLimitParts {
  readonly rules: () => AccessRules;
  /** Monotonic, in milliseconds */
  readonly now?: () => number;
}

/** Told of the first call that is refused, not of each: a flood must not become one of the audit log. */
export const limitCallers = (
  { rules, now = () => performance.now() }: RateLimitParts,
  onRefused: (info: CallInfo, error: FlintlockError) => void,
): Interceptor => {
  const buckets = createTokenBuckets(MAX_KEYS);
  return (info) => {
    const { caller } = info;
    const { limitsOf, defaultLimits } = rules();
    const { rate } = limitsOf.get(caller.name) ?? defaultLimits;
    // The host's own user cannot be kept out by what others do
    if (rate === undefined || caller === LOCAL_CALLER) return undefined;
    const refused = buckets.take(keyOf(caller, info.peer), rate, now());
    if (refused === undefined) return undefined;
    const error = tooMany(`caller ${caller.name}: more than ${rate.perSecond} requests per second`, refused);
    if (refused.isFirst) onRefused(info, error);
    throw error;
  };
};

/** Those without a name of their own are told apart by where they are. */
const keyOf = ({ name }: Caller, peer: string): string =>
  name === ANONYMOUS.name || name === NOBODY.name ? `${name} ${addressKey(peer)}` : name;

/**
 * Right credentials pass always: nobody can lock others out by failing in their place. Who fails too often is told so
 * with `exhausted`. `onRefused` hears of every failure but those.
 */
export const limitFailures = (
  { rules, now = () => performance.now() }: RateLimitParts,
  onRefused: (credentials: Credentials, error: FlintlockError) => void,
): ((authenticate: Authenticator) => Authenticator) => {
  const buckets = createTokenBuckets(MAX_KEYS);
  return (authenticate) => (credentials) => {
    try {
      return authenticate(credentials);
    } catch (thrown) {
      const error = toFlintlockError(thrown);
      const address = addressKey(credentials.peer);
      const refused = buckets.take(address, rules().failures, now());
      if (refused === undefined) {
        onRefused(credentials, error);
        throw error;
      }
      const flood = tooMany(`too many wrong credentials from ${address}`, refused);
      if (refused.isFirst) onRefused(credentials, flood);
      throw flood;
    }
  };
};

const tooMany = (message: string, { waitMs }: { readonly waitMs: number }): FlintlockError =>
  new FlintlockError("exhausted", message, {
    detail: { retry_after_ms: waitMs },
    hint: "Ask again later, and less often.",
  });
