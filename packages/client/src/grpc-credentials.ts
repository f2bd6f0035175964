/** TLS as grpc-js wants it. */
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import type { DaemonAddress } from "./address.ts";
import { ClientError } from "./client-error.ts";
import type { TlsMaterial } from "./connection-options.ts";

export interface VerifiedName {
  /** What the daemon's certificate must be for */
  readonly expected: string;
  /** What the handshake asks for (SNI), where an IP address may not stand: Node warns of it */
  readonly sent: string;
}

const NAME_FOR_ADDRESSES = "flintlockd";

export const nameToVerify = (address: DaemonAddress, serverName: string | undefined): VerifiedName => {
  const expected = serverName ?? (address.kind === "tcp" ? address.host : "localhost");
  return { expected, sent: isIP(expected) === 0 ? expected : NAME_FOR_ADDRESSES };
};

/** @throws ClientError `invalid_spec` – the key is not the certificate's, or one of them is broken */
export const grpcCredentials = (
  tls: TlsMaterial | undefined,
  { expected }: VerifiedName,
): ChannelCredentials => {
  if (tls === undefined) return credentials.createInsecure();
  try {
    return credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null, {
      checkServerIdentity: (_sent, certificate) => checkServerIdentity(expected, certificate),
    });
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new ClientError("invalid_spec", `tls: ${words}`, { field: "tls", cause: error });
  }
};
