/** Bodies and status codes as grpc-gateway writes them. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { DescMessage, JsonObject, Message } from "@bufbuild/protobuf";
import { FlintlockError } from "@flintlock/core";
import { status } from "@grpc/grpc-js";
import { Encoded } from "../encoded.ts";
import { toProtoJson } from "../proto-json.ts";
import { detailToJson, type Status } from "../schema/rpc-status.ts";
import type { PageReply } from "./pages.ts";

/** grpc-gateway's runtime.HTTPStatusFromCode, but for what is no longer there. */
const HTTP_STATUS = {
  [status.OK]: 200,
  [status.CANCELLED]: 499,
  [status.UNKNOWN]: 500,
  [status.INVALID_ARGUMENT]: 400,
  [status.DEADLINE_EXCEEDED]: 504,
  [status.NOT_FOUND]: 404,
  [status.ALREADY_EXISTS]: 409,
  [status.PERMISSION_DENIED]: 403,
  [status.RESOURCE_EXHAUSTED]: 429,
  [status.FAILED_PRECONDITION]: 400,
  [status.ABORTED]: 409,
  [status.OUT_OF_RANGE]: 410,
  [status.UNIMPLEMENTED]: 501,
  [status.INTERNAL]: 500,
  [status.UNAVAILABLE]: 503,
  [status.DATA_LOSS]: 500,
  [status.UNAUTHENTICATED]: 401,
} as const satisfies Record<status, number>;

/** The code is one of ours, so the table has it. */
export const httpStatusOf = ({ code }: Status): number => HTTP_STATUS[code as status] ?? 500;

/** Routing errors, in grpc-gateway's words. */
export const NOT_FOUND: Status = { code: status.NOT_FOUND, message: "Not Found", details: [] };
export const METHOD_NOT_ALLOWED: Status = {
  code: status.UNIMPLEMENTED,
  message: "Method Not Allowed",
  details: [],
};
export const BAD_REQUEST: Status = { code: status.INVALID_ARGUMENT, message: "Bad Request", details: [] };

export const PAYLOAD_TOO_LARGE = 413;
export const METHOD_NOT_ALLOWED_STATUS = 405;

export const FOREIGN_ORIGIN: Status = {
  code: status.PERMISSION_DENIED,
  message: "requests from another web site are refused",
  details: [],
};

/** Told by its detail: HTTP has a status of its own for it. */
export const bodyTooLarge = (maxBytes: number): FlintlockError =>
  new FlintlockError("exhausted", `the body must be at most ${maxBytes} bytes`, {
    detail: { [TOO_LARGE]: maxBytes },
  });

export const isBodyTooLarge = (error: unknown): boolean =>
  error instanceof FlintlockError && TOO_LARGE in error.detail;

const TOO_LARGE = "max_body_bytes";

export const replyJson = (desc: DescMessage, reply: Message | Encoded): string =>
  reply instanceof Encoded ? reply.json() : JSON.stringify(toProtoJson(desc, reply));

export const errorJson = ({ code, message, details }: Status): JsonObject => ({
  code,
  message,
  details: details.map(detailToJson),
});

export const sendJson = (response: ServerResponse, code: number, json: string): void => {
  if (response.headersSent || response.destroyed) return;
  const body = Buffer.from(json);
  const length = response.hasHeader("Transfer-Encoding") ? {} : { "Content-Length": body.byteLength };
  response.writeHead(code, { "Content-Type": "application/json", ...length });
  response.end(body);
};

/** node:http itself leaves the body out of an answer to HEAD. */
export const sendPage = (
  response: ServerResponse,
  { status, contentType, body, headers }: PageReply,
): void => {
  if (response.headersSent || response.destroyed) return;
  const bytes = Buffer.from(body);
  response.removeHeader("Transfer-Encoding");
  response.writeHead(status ?? 200, {
    ...headers,
    "Content-Type": contentType,
    "Content-Length": bytes.byteLength,
  });
  response.end(bytes);
};

export const sendError = (response: ServerResponse, error: Status, code = httpStatusOf(error)): void => {
  if (error.code === status.UNAUTHENTICATED && !response.headersSent) {
    response.setHeader("WWW-Authenticate", error.message.replace(/[^\x20-\x7e]/g, "?"));
  }
  sendJson(response, code, JSON.stringify(errorJson(error)));
};

/** After an answer that did not wait for the request's body, the connection cannot carry another request. */
export const closeAfter = (request: IncomingMessage, response: ServerResponse): void => {
  if (request.complete || response.headersSent) return;
  response.setHeader("Connection", "close");
};
