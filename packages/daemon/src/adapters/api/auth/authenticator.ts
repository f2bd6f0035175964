import type { PeerCertificate } from "node:tls";
import { type Caller, FlintlockError, LOCAL_CALLER } from "@flintlock/core";
import { type AccessRules, ANONYMOUS, NOBODY } from "./access-rules.ts";
import { certificateNames, holderOf } from "./certificate-names.ts";
import { findToken } from "./find-token.ts";
import { headerToken } from "./header-token.ts";

/** What a request brought to prove who sends it. */
export interface Credentials {
  /** `/package.Service/Method`: some are for everybody, such as health checks */
  readonly method: string;
  /** `address:port` of the other side; empty on a Unix socket */
  readonly peer: string;
  /** The `authorization` header or metadata, as it came; when it came twice, both joined by ", " */
  readonly authorization: string | undefined;
  /** The client's certificate, verified against the listener's CA; undefined when there is none */
  readonly certificate: PeerCertificate | undefined;
}

/** @throws FlintlockError `unauthenticated` – no credentials, or wrong ones; `exhausted` – too many wrong ones */
export type Authenticator = (credentials: Credentials) => Caller;

/** For a socket whose file permissions have already decided. */
export const trustEveryone: Authenticator = () => LOCAL_CALLER;

/**
 * By token, else by certificate. A token that was sent decides: a wrong one is not made good by a certificate. The
 * rules are asked for at every call, so that what is taken out of them ends with the next call.
 */
export const createAuthenticator =
  (rules: () => AccessRules, now: () => number = Date.now): Authenticator =>
  ({ method, authorization, certificate }) => {
    if (isForEverybody(method)) return NOBODY;
    const { tokens, certificates, isOpen } = rules();
    if (certificate !== undefined && !isCurrent(certificate, now())) {
      // The handshake refuses one that has expired; this connection is older
      throw unauthenticated("the client certificate is not valid at this time");
    }
    if (isOpen) {
      if (certificate === undefined) return ANONYMOUS;
      return { name: holderOf(certificate), role: "admin", namespaces: "all" };
    }
    if (authorization === undefined && certificate !== undefined) {
      const names = certificateNames(certificate);
      const identity = certificates.find(({ match }) =>
        names.some(({ kind, value }) => kind === match.kind && value === match.value),
      );
      if (identity !== undefined) return identity.caller;
      if (certificates.length > 0)
        throw unauthenticated("the client certificate names nobody who may call", holderOf(certificate));
    }
    const token = headerToken(authorization);
    const entry = token && findToken(tokens, token);
    if (entry === undefined) throw wrongToken("no such token");
    if (entry.notAfter !== undefined && entry.notAfter <= now())
      throw wrongToken(`the token of ${entry.caller.name} expired`);
    return entry.caller;
  };

/** gRPC health: balancers and kubelets have no credentials. */
const isForEverybody = (method: string): boolean =>
  method === "/grpc.health.v1.Health/Check" || method === "/grpc.health.v1.Health/Watch";

const isCurrent = ({ valid_from: from, valid_to: to }: PeerCertificate, now: number): boolean =>
  Date.parse(from) <= now && now <= Date.parse(to);

/** `why` is for the audit log. */
const unauthenticated = (message: string, why?: string): FlintlockError =>
  new FlintlockError("unauthenticated", message, { cause: why === undefined ? undefined : new Error(why) });

/** COMPAT: upstream's words, and the same for every reason: which it was is nobody's business but the operator's. */
const wrongToken = (why: string): FlintlockError =>
  unauthenticated("invalid auth token: failed basic authentication. Check the token supplied", why);
