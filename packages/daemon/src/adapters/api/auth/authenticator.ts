import type { PeerCertificate } from "node:tls";
import { type Caller, LOCAL_CALLER } from "@flintlock/core";

/** What a request brought to prove who sends it. */
export interface Credentials {
  /** `/package.Service/Method`: some are for everybody, such as health checks */
  readonly method: string;
  /** The `authorization` header or metadata, as it came; when it came twice, both joined by ", " */
  readonly authorization: string | undefined;
  /** The client's certificate, verified against the listener's CA; undefined when there is none */
  readonly certificate: PeerCertificate | undefined;
}

/** @throws FlintlockError `unauthenticated` – no credentials, or wrong ones */
export type Authenticator = (credentials: Credentials) => Caller;

/** For a socket whose file permissions have already decided. */
export const trustEveryone: Authenticator = () => LOCAL_CALLER;
