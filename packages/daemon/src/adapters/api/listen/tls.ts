/**
 * TLS in front of a listener: 1.3 or nothing, and what comes out is an ordinary decrypted socket.
 *
 * The certificates are read again when their files change; a bad new set is logged and the old one stays. Connections
 * that are open keep what they were made with.
 *
 * COMPAT: upstream ignores a client CA unless client certificates are required, so that nobody's is ever looked at. Here
 * a client that presents one is held to it.
 *
 * INVARIANT: a socket that comes out has either no client certificate or a verified one.
 */
import { constants } from "node:crypto";
import type { Socket } from "node:net";
import { createServer, type SecureContextOptions, type TLSSocket } from "node:tls";
import { type Log, toFlintlockError } from "@flintlock/core";
import { watchFiles } from "../watch-files.ts";
import { type Certificates, readCertificates, type TlsFiles } from "./certificate-files.ts";

export interface TlsFront {
  /** Takes a fresh connection; it comes out of `accept` once the handshake is done, or not at all. */
  secure(socket: Socket): void;
  /** Reads the files again now; resolves once that is settled, and never rejects. */
  reload(): Promise<void>;
  close(): void;
}

export interface TlsFrontOptions {
  readonly files: TlsFiles;
  /** What the listener speaks, best first (RFC 7301) */
  readonly alpn: readonly ("h2" | "http/1.1")[];
  readonly handshakeTimeoutMs: number;
  readonly reloadPeriodMs: number;
  readonly log: Log;
  readonly accept: (socket: TLSSocket) => void;
}

/** @throws FlintlockError `invalid_spec` – a file is missing, unreadable, or not what it should be */
export const createTlsFront = async (options: TlsFrontOptions): Promise<TlsFront> => {
  const { files, log } = options;
  const first = await readCertificates(files, new Date());
  const hasClientCa = first.ca !== undefined;
  const server = createServer({
    ...contextOf(first),
    ALPNProtocols: [...options.alpn],
    requestCert: hasClientCa,
    rejectUnauthorized: files.isClientRequired,
    handshakeTimeout: options.handshakeTimeoutMs,
  });
  server.on("secureConnection", (socket) => {
    // Resets of clients: whoever reads the socket learns it from "close"
    socket.on("error", () => undefined);
    if (hasClientCa && !socket.authorized && hasPresented(socket)) {
      log.debug("client certificate refused", {
        peer: socket.remoteAddress,
        reason: String(socket.authorizationError),
      });
      socket.destroy();
      return;
    }
    options.accept(socket);
  });
  server.on("tlsClientError", (error, socket) => {
    log.debug("TLS handshake failed", { peer: socket.remoteAddress, reason: error.message });
    socket.destroy();
  });
  tellOf(first, files, log);

  const readAgain = async (): Promise<void> => {
    try {
      const next = await readCertificates(files, new Date());
      server.setSecureContext(contextOf(next));
      tellOf(next, files, log);
    } catch (error) {
      log.error("new certificates are refused, the old ones stay", {
        reason: toFlintlockError(error).message,
      });
    }
  };
  // One after the other: what was read first must not be used last.
  let turn = Promise.resolve();
  const reload = (): Promise<void> => {
    turn = turn.then(readAgain);
    return turn;
  };
  const paths = [files.certPath, files.keyPath, ...(files.clientCaPath ? [files.clientCaPath] : [])];
  const watch = watchFiles(
    () => paths,
    options.reloadPeriodMs,
    () => void reload(),
  );
  return {
    secure: (socket) => server.emit("connection", socket),
    reload,
    close: watch.close,
  };
};

const contextOf = ({ cert, key, ca }: Certificates): SecureContextOptions => ({
  cert,
  key,
  ...(ca === undefined ? {} : { ca }),
  minVersion: "TLSv1.3",
  // A resumed session would carry a certificate that nobody verifies again
  secureOptions: constants.SSL_OP_NO_TICKET,
});

/** Without a certificate Node answers with an empty object. */
const hasPresented = (socket: TLSSocket): boolean => socket.getPeerX509Certificate() !== undefined;

const tellOf = ({ notAfter, warnings }: Certificates, { certPath }: TlsFiles, log: Log): void => {
  log.info("TLS is enabled", { certificate: certPath, notAfter });
  for (const warning of warnings) log.warn(warning);
};
