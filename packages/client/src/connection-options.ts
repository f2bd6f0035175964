/** Which daemon, as whom, and over what: from what a program says, else from the environment. */
import { type DaemonAddress, parseAddress } from "./address.ts";
import { ClientError } from "./client-error.ts";
import { defaultAddress, type Environment } from "./default-address.ts";
import { type FileOrText, readPem, readToken } from "./secret-files.ts";

export interface TlsOptions {
  /** Whom to believe, in PEM; the system's authorities when absent (`FLINTLOCK_TLS_CA`: a file) */
  readonly ca?: FileOrText;
  /** The client's certificate, with `key` (`FLINTLOCK_TLS_CERT`: a file) */
  readonly cert?: FileOrText;
  /** (`FLINTLOCK_TLS_KEY`: a file) */
  readonly key?: FileOrText;
  /** The name that the daemon's certificate must have; the address's host when absent (`FLINTLOCK_TLS_SERVER_NAME`) */
  readonly serverName?: string;
}

export interface ConnectionOptions {
  /** `unix:///path`, `unix:path` or `host:port`; else `FLINTLOCK_HOST`, else the socket of this user's daemon */
  readonly address?: string | undefined;
  /** Says who calls, on TCP; on a Unix socket none is needed (`FLINTLOCK_TOKEN`) */
  readonly token?: string | undefined;
  /** A file with the token, read once (`FLINTLOCK_TOKEN_FILE`) */
  readonly tokenFile?: string | undefined;
  /** TLS on TCP; `true`: with the system's authorities (`FLINTLOCK_TLS=1`), `false`: whatever the environment says */
  readonly tls?: TlsOptions | boolean | undefined;
  readonly timeouts?: Timeouts | undefined;
}

export interface Timeouts {
  /** Of each call that is answered once, in milliseconds, retries included; 60,000 when absent, 0: none. Streams have none. */
  readonly callMs?: number;
}

/** What `createClient` works with. */
export interface Connection {
  /** As given, for texts */
  readonly address: string;
  readonly parsed: DaemonAddress;
  readonly token: string | undefined;
  /** Undefined: without TLS */
  readonly tls: TlsMaterial | undefined;
  /** 0 = none */
  readonly callMs: number;
}

export interface TlsMaterial {
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
  readonly serverName: string | undefined;
}

const DEFAULT_CALL_MS = 60_000;
const MAX_CALL_MS = 2 ** 31 - 1;

/** @throws ClientError `invalid_spec` – an option makes no sense or a file cannot be read; names it, and holds no secret */
export const resolveConnection = (options: ConnectionOptions, env: Environment = process.env): Connection => {
  const address = options.address ?? defaultAddress(env);
  const parsed = parseAddress(address);
  const callMs = options.timeouts?.callMs ?? DEFAULT_CALL_MS;
  if (!(callMs >= 0 && callMs <= MAX_CALL_MS)) {
    throw invalidOption("timeouts.callMs", `must be 0 (no limit) to ${MAX_CALL_MS} milliseconds`);
  }
  if (parsed.kind === "unix") {
    if (options.tls) throw invalidOption("tls", "a Unix socket has no TLS; give host:port as the address");
    return { address, parsed, token: undefined, tls: undefined, callMs };
  }
  const tls = tlsOf(options.tls, env);
  const token = tokenOf(options, env);
  if (token !== undefined && tls === undefined && !isLoopback(parsed.host)) {
    throw new ClientError("invalid_spec", `the token would go to ${address} unencrypted`, {
      field: "tls",
      hint: "ask for TLS: the option tls, or FLINTLOCK_TLS_CA",
    });
  }
  return { address, parsed, token, tls, callMs };
};

const tokenOf = ({ token, tokenFile }: ConnectionOptions, env: Environment): string | undefined => {
  if (token !== undefined && tokenFile !== undefined) {
    throw invalidOption("tokenFile", "token and tokenFile exclude each other");
  }
  if (token !== undefined) return readToken({ text: token }, "token");
  if (tokenFile !== undefined) return readToken({ file: tokenFile }, "tokenFile");
  if (env["FLINTLOCK_TOKEN"]) return readToken({ text: env["FLINTLOCK_TOKEN"] }, "FLINTLOCK_TOKEN");
  const file = env["FLINTLOCK_TOKEN_FILE"];
  return file ? readToken({ file }, "FLINTLOCK_TOKEN_FILE") : undefined;
};

const tlsOf = (wish: ConnectionOptions["tls"], env: Environment): TlsMaterial | undefined => {
  if (wish === false) return undefined;
  const own = typeof wish === "object" ? wish : {};
  const serverName = own.serverName ?? (env["FLINTLOCK_TLS_SERVER_NAME"] || undefined);
  const pem = (name: "ca" | "cert" | "key", variable: string): Buffer | undefined => {
    if (own[name] !== undefined) return readPem(own[name], `tls.${name}`);
    return env[variable] ? readPem(env[variable], variable) : undefined;
  };
  const material = {
    ca: pem("ca", "FLINTLOCK_TLS_CA"),
    cert: pem("cert", "FLINTLOCK_TLS_CERT"),
    key: pem("key", "FLINTLOCK_TLS_KEY"),
    serverName,
  };
  if ((material.cert === undefined) !== (material.key === undefined)) {
    throw invalidOption("tls", "a client certificate needs both cert and key");
  }
  const isWished =
    wish !== undefined ||
    /^(1|true|yes)$/i.test(env["FLINTLOCK_TLS"] ?? "") ||
    Object.values(material).some((one) => one !== undefined);
  return isWished ? material : undefined;
};

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);

const invalidOption = (field: string, problem: string): ClientError =>
  new ClientError("invalid_spec", `${field}: ${problem}`, { field });
