/** One HTTP request and its answer, on their way through the door. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type PeerCertificate, TLSSocket } from "node:tls";
import type { Log } from "@flintlock/core";
import type { Door, Entered } from "../door.ts";
import { canceled, statusOf } from "../errors.ts";
import type { ApiLimits } from "../limits.ts";
import type { Status } from "../schema/rpc-status.ts";
import { metadataOf } from "./forwarded-headers.ts";
import { closeAfter, httpStatusOf, isBodyTooLarge, PAYLOAD_TOO_LARGE, sendError } from "./responses.ts";

export interface GatewayContext {
  readonly limits: ApiLimits;
  readonly door: Door;
  readonly log: Log;
}

export interface Exchange extends GatewayContext {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** As it came */
  readonly query: string;
}

/** `method` is the call's name, or the page's path. */
export const enter = ({ request, response, door }: Exchange, method: string): Entered => {
  const { socket } = request;
  const entered = door.enter({
    method,
    transport: "http",
    peer: socket.remoteAddress === undefined ? "" : `${socket.remoteAddress}:${socket.remotePort}`,
    metadata: metadataOf(request),
    certificate: peerCertificate(socket),
  });
  response.on("close", () => entered.abort(canceled()));
  return entered;
};

const peerCertificate = (socket: Socket): PeerCertificate | undefined => {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const certificate = socket.getPeerCertificate();
  // Without one Node answers with an empty object
  return certificate.raw === undefined ? undefined : certificate;
};

/** The gateway's catch-all. */
export const fail = (
  { request, response, log }: Exchange,
  { method, entered }: { readonly method: string; readonly entered: Entered },
  thrown: unknown,
): void => {
  const error: Status = statusOf(thrown, log, method);
  entered.end(error);
  if (response.destroyed) return;
  closeAfter(request, response);
  sendError(response, error, isBodyTooLarge(thrown) ? PAYLOAD_TOO_LARGE : httpStatusOf(error));
};
