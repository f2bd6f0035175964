/** Clients that send what they are told, byte for byte: no library stands between a wrong credential and the daemon. */
import { readFile } from "node:fs/promises";
import { connect as connectHttp2, constants } from "node:http2";
import { connect as connectTls } from "node:tls";
import type { Pair } from "../../support/certificates.ts";

export interface To {
  readonly port: number;
  readonly caPath: string;
  /** The client's own certificate */
  readonly pair?: Pair | undefined;
}

export interface GrpcAnswer {
  /** `grpc-status`; "handshake" when TLS let nobody in, "http" for an answer without one */
  readonly code: number | "handshake" | "http";
  readonly message: string;
}

export interface GrpcConnection {
  call(path: string, message: Uint8Array, authorization: readonly string[]): Promise<GrpcAnswer>;
  close(): void;
}

const tlsOf = async ({ caPath, pair }: To) => ({
  ca: await readFile(caPath),
  ...(pair && { cert: await readFile(pair.certPath), key: await readFile(pair.keyPath) }),
});

/** One connection; several values of the header are sent as one, joined by ", ", as HTTP/2 libraries do. */
export const openGrpc = async (to: To): Promise<GrpcConnection> => {
  const session = connectHttp2(`https://localhost:${to.port}`, await tlsOf(to));
  session.on("error", () => undefined);
  return {
    call: (path, message, authorization) =>
      new Promise((resolve) => {
        if (session.destroyed) {
          resolve({ code: "handshake", message: "" });
          return;
        }
        const head = Buffer.alloc(5);
        head.writeUInt32BE(message.byteLength, 1);
        const stream = session.request({
          ":method": "POST",
          ":path": path,
          "content-type": "application/grpc",
          te: "trailers",
          ...(authorization.length === 0 ? {} : { authorization: authorization.join(", ") }),
        });
        let status: string | undefined;
        let words = "";
        const take = (headers: Readonly<Record<string, unknown>>): void => {
          if (headers["grpc-status"] === undefined) return;
          status = String(headers["grpc-status"]);
          words = decodeURIComponent(String(headers["grpc-message"] ?? ""));
        };
        stream.setTimeout(10_000, () => stream.close(constants.NGHTTP2_CANCEL));
        stream.on("response", take);
        stream.on("trailers", take);
        stream.on("error", () => undefined);
        stream.on("data", () => undefined);
        stream.on("close", () => {
          const isOpen = !session.destroyed && !session.closed;
          if (status !== undefined) resolve({ code: Number(status), message: words });
          else resolve({ code: isOpen ? "http" : "handshake", message: "" });
        });
        stream.end(Buffer.concat([head, message]));
      }),
    close: () => session.destroy(),
  };
};

export interface HttpAnswer {
  readonly status: number | "handshake";
  readonly headers: string;
  readonly body: string;
}

/** One request on a connection of its own; `lines` are headers, in UTF-8 as they stand. */
export const http = async (
  to: To,
  request: { readonly line: string; readonly lines: readonly string[]; readonly body?: string },
): Promise<HttpAnswer> => {
  const options = { port: to.port, host: "localhost", ALPNProtocols: ["http/1.1"], ...(await tlsOf(to)) };
  return new Promise((resolve) => {
    const socket = connectTls(options);
    const parts: Buffer[] = [];
    socket.setTimeout(10_000, () => socket.destroy());
    socket.on("error", () => undefined);
    socket.on("data", (part: Buffer) => parts.push(part));
    socket.on("close", () => {
      const text = Buffer.concat(parts).toString();
      const [, status] = /^HTTP\/1\.1 (\d{3})/.exec(text) ?? [];
      const end = text.indexOf("\r\n\r\n");
      if (status === undefined) resolve({ status: "handshake", headers: "", body: "" });
      else resolve({ status: Number(status), headers: text.slice(0, end), body: text.slice(end + 4) });
    });
    const { line, lines, body = "" } = request;
    const length = `Content-Length: ${Buffer.byteLength(body)}`;
    const head = [`${line} HTTP/1.1`, "Host: localhost", "Connection: close", length, ...lines, "", ""];
    socket.write(Buffer.from(head.join("\r\n") + body));
  });
};
