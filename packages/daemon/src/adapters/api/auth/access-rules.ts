/** Who may call, and how much: what the credentials file and the configuration come to. */
import type { Caller, Quota } from "@flintlock/core";

export interface AccessRules {
  readonly tokens: readonly TokenEntry[];
  readonly certificates: readonly CertificateIdentity[];
  /**
   * Neither a credentials file nor a token is configured: who gets through TLS, or to a port without, may all.
   * COMPAT: upstream's behaviour.
   */
  readonly isOpen: boolean;
  /** By name; a caller that is not in it has no bounds */
  readonly limitsOf: ReadonlyMap<string, CallerLimits>;
  readonly quotas: ReadonlyMap<string, Quota>;
  /** Wrong credentials from one address */
  readonly failures: Rate;
}

export interface TokenEntry {
  readonly digest: Buffer;
  readonly caller: Caller;
  /** Milliseconds since the epoch */
  readonly notAfter: number | undefined;
}

export interface CertificateIdentity {
  /** Compared exactly */
  readonly match: { readonly kind: "common_name" | "dns" | "uri"; readonly value: string };
  readonly caller: Caller;
}

export interface CallerLimits {
  readonly rate: Rate | undefined;
  readonly quota: Quota;
}

export interface Rate {
  readonly perSecond: number;
  /** Calls at once after a rest */
  readonly burst: number;
}

/** Everybody, where nothing is configured. */
export const ANONYMOUS: Caller = { name: "anonymous", role: "admin", namespaces: "all" };

/** Whoever asks what is for everybody: health. */
export const NOBODY: Caller = { name: "nobody", role: "viewer", namespaces: [] };

/** Of `--basic-auth-token` */
export const BASIC_AUTH_CALLER: Caller = { name: "basic-auth-token", role: "admin", namespaces: "all" };

/** A thousand wrong tokens in a row are a test, or a script gone wrong: more are told to slow down. */
export const DEFAULT_FAILURES: Rate = { perSecond: 20, burst: 1_000 };
