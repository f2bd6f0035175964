/** A certificate, its key, and the CA of clients: read, and checked to be what they are taken for. */
import { X509Certificate } from "node:crypto";
import { open } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { FlintlockError } from "@flintlock/core";

export interface TlsFiles {
  /** PEM, the server's own certificate first, then the chain */
  readonly certPath: string;
  readonly keyPath: string;
  /** PEM; a client's certificate is verified against these */
  readonly clientCaPath: string | undefined;
  /** Refuse clients without a certificate; needs `clientCaPath` */
  readonly isClientRequired: boolean;
}

export interface Certificates {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer | undefined;
  /** For the log: until when, and what is odd about it */
  readonly notAfter: string;
  readonly warnings: readonly string[];
}

/** A chain or a bundle of CAs; far more than any */
const MAX_FILE_BYTES = 1024 * 1024;
const OTHERS_MAY_READ = 0o004;

/** @throws FlintlockError `invalid_spec` – names the file, in upstream's words where it does not exist */
export const readCertificates = async (files: TlsFiles, now: Date): Promise<Certificates> => {
  const { certPath, keyPath, clientCaPath, isClientRequired } = files;
  if (isClientRequired && clientCaPath === undefined) {
    throw unusable("client certificate key file path is required when running mTLS");
  }
  const cert = await read(certPath, "certificate file");
  const key = await read(keyPath, "key file");
  const ca = clientCaPath === undefined ? undefined : await read(clientCaPath, "client CA file");
  const own = firstCertificate(cert.bytes, `certificate file ${certPath}`);
  if (ca !== undefined) firstCertificate(ca.bytes, `client CA file ${clientCaPath}`);
  checkPair(cert.bytes, key.bytes, files);
  return {
    cert: cert.bytes,
    key: key.bytes,
    ca: ca?.bytes,
    notAfter: own.validTo,
    warnings: [
      ...(new Date(own.validTo) < now ? [`certificate file ${certPath} expired on ${own.validTo}`] : []),
      ...(new Date(own.validFrom) > now
        ? [`certificate file ${certPath} is not valid before ${own.validFrom}`]
        : []),
      ...((key.mode & OTHERS_MAY_READ) === 0
        ? []
        : [`key file ${keyPath} may be read by everyone: chmod 600 ${keyPath}`]),
    ],
  };
};

const read = async (
  path: string,
  what: string,
): Promise<{ readonly bytes: Buffer; readonly mode: number }> => {
  const failed = (cause: NodeJS.ErrnoException): never => {
    const problem = cause.code === "ENOENT" ? "does not exist" : `cannot be read: ${cause.code}`;
    throw unusable(`${what} ${path} ${problem}`, cause);
  };
  await using file = await open(path).catch(failed);
  const stats = await file.stat();
  if (!stats.isFile()) throw unusable(`${what} ${path} is not a file`);
  if (stats.size > MAX_FILE_BYTES) throw unusable(`${what} ${path} is larger than ${MAX_FILE_BYTES} bytes`);
  return { bytes: await file.readFile().catch(failed), mode: stats.mode };
};

const firstCertificate = (pem: Buffer, what: string): X509Certificate => {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw unusable(`${what} holds no certificate in PEM form`, cause);
  }
};

const checkPair = (cert: Buffer, key: Buffer, { certPath, keyPath }: TlsFiles): void => {
  try {
    createSecureContext({ cert, key, minVersion: "TLSv1.3" });
  } catch (cause) {
    const isMismatch = cause instanceof Error && /key values mismatch/.test(cause.message);
    throw unusable(
      isMismatch
        ? `key file ${keyPath} is not the key of certificate file ${certPath}`
        : `certificate file ${certPath} and key file ${keyPath} cannot be used`,
      cause,
    );
  }
};

const unusable = (message: string, cause?: unknown): FlintlockError =>
  new FlintlockError("invalid_spec", message, { cause });
