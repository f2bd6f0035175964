/** How users name a daemon: `unix:///path`, `unix:path`, `host:port` or `tcp://host:port`. */
import { isAbsolute, resolve } from "node:path";
import { ClientError } from "./client-error.ts";

export type DaemonAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

/** Bytes of `sun_path` less its end mark, unix(7); the kernel would cut a longer path short. */
const MAX_SOCKET_PATH_BYTES = 107;

/** @throws ClientError `invalid_spec` – neither a socket path nor `host:port` */
export const parseAddress = (text: string): DaemonAddress => {
  if (text.startsWith("unix:")) return unixAddress(text.slice("unix:".length), text);
  if (isAbsolute(text)) return unixAddress(text, text);
  const match =
    /^(?:tcp:\/\/)?(?:\[(?<ip6>[0-9a-fA-F:.]+)\]|(?<host>[A-Za-z0-9._-]+)):(?<port>\d{1,5})$/.exec(text);
  const { ip6, host = ip6, port } = match?.groups ?? {};
  const number = Number(port);
  if (host === undefined || !(number >= 1 && number <= 65535)) {
    throw badAddress(text, "expected unix:///path or host:port");
  }
  return { kind: "tcp", host, port: number };
};

/** As grpc-js names it. */
export const grpcTarget = (address: DaemonAddress): string => {
  if (address.kind === "unix") return `unix:${address.path}`;
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
};

const unixAddress = (rest: string, text: string): DaemonAddress => {
  const path = rest.startsWith("//") ? rest.slice(2) : rest;
  if (path === "" || path.includes("\0")) throw badAddress(text, "the socket's path is missing");
  if (rest.startsWith("//") && !isAbsolute(path)) {
    throw badAddress(text, "unix:// wants an absolute path; write unix:PATH for a relative one");
  }
  const absolute = resolve(path);
  if (Buffer.byteLength(absolute) > MAX_SOCKET_PATH_BYTES) {
    throw badAddress(text, `a socket's path has at most ${MAX_SOCKET_PATH_BYTES} bytes`);
  }
  return { kind: "unix", path: absolute };
};

const badAddress = (text: string, problem: string): ClientError =>
  new ClientError("invalid_spec", `address ${JSON.stringify(text)}: ${problem}`, { field: "host" });
