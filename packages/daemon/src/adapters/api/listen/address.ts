import { isIP } from "node:net";
import { FlintlockError } from "@flintlock/core";

export interface TcpAddress {
  /** Undefined = all addresses */
  readonly host: string | undefined;
  readonly port: number;
}

const MAX_PORT = 65_535;

/**
 * `host:port`, `[v6]:port` or `:port`; port 0 picks a free one. `localhost` is 127.0.0.1, as Go takes it.
 * @throws FlintlockError `invalid_spec`
 */
export const parseTcpAddress = (text: string): TcpAddress => {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  const isValid =
    digits !== undefined && port <= MAX_PORT && (bracketed === undefined || isIP(bracketed) === 6);
  if (!isValid) {
    throw new FlintlockError("invalid_spec", `listen address "${text}": must be host:port`, {
      hint: `For example "localhost:9090" or "[::1]:9090".`,
    });
  }
  const host = bracketed ?? plain;
  if (host === "" || host === undefined) return { host: undefined, port };
  return { host: host === "localhost" ? "127.0.0.1" : host, port };
};

export const formatTcpAddress = (address: string, port: number): string =>
  isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
