/** How often one may ask: callers by name, and addresses that send wrong credentials. */
import { FlintlockError, toFlintlockError } from "@flintlock/core";
import type { CallInfo, Interceptor } from "../interceptor.ts";
import type { AccessRules } from "./access-rules.ts";
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
    const { name } = info.caller;
    const rate = rules().limitsOf.get(name)?.rate;
    const refused = rate && buckets.take(name, rate, now());
    if (refused === undefined) return undefined;
    const error = tooMany(`caller ${name}: more than ${rate?.perSecond} requests per second`, refused);
    if (refused.isFirst) onRefused(info, error);
    throw error;
  };
};

/**
 * Right credentials pass always: nobody can lock others out by failing in their place. Who fails too often is told so
 * with `exhausted`. `onRefused` hears of every failure but those.
 */
export const limitFailures = ({
  rules,
  now = () => performance.now(),
}: RateLimitParts): ((authenticate: Authenticator, onRefused: OnRefused) => Authenticator) => {
  const buckets = createTokenBuckets(MAX_KEYS);
  return (authenticate, onRefused) => (credentials) => {
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

type OnRefused = (credentials: Credentials, error: FlintlockError) => void;

const tooMany = (message: string, { waitMs }: { readonly waitMs: number }): FlintlockError =>
  new FlintlockError("exhausted", message, {
    detail: { retry_after_ms: waitMs },
    hint: "Ask again later, and less often.",
  });
