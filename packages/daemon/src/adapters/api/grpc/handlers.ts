/** From a transport-neutral handler to the function grpc-js calls, one per method kind. */
import type { Message } from "@bufbuild/protobuf";
import type { Log } from "@flintlock/core";
import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type StatusObject,
  status,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import { abortable } from "../abortable.ts";
import { type Door, OK } from "../door.ts";
import type { Encoded } from "../encoded.ts";
import { canceled, statusOf } from "../errors.ts";
import type { RequestMetadata, ResponseMetadata } from "../metadata.ts";
import { statusToBinary } from "../schema/rpc-status.ts";
import type { BoundMethod, Call } from "../service.ts";
import { type Decoded, decoded } from "./messages.ts";

type Reply = Message | Encoded;
type Writable = ServerWritableStream<Decoded, Reply> | ServerDuplexStream<Decoded, Reply>;

export interface HandlerContext {
  readonly door: Door;
  readonly log: Log;
}

export const handlerFor = (method: BoundMethod, path: string, context: HandlerContext): UntypedHandleCall => {
  const run = runner(path, context);
  switch (method.kind) {
    case "unary":
      return ((call, callback) =>
        run(
          call,
          async (context) => {
            const reply = await method.handler(decoded(call.request), context);
            sendHeaders(call, context.reply);
            callback(null, reply);
          },
          callback,
        )) satisfies handleUnaryCall<Decoded, Reply>;
    case "client_streaming":
      return ((call, callback) =>
        run(
          call,
          async (context) => {
            const reply = await method.handler(requestsOf(call, context.signal), context);
            sendHeaders(call, context.reply);
            callback(null, reply);
          },
          callback,
        )) satisfies handleClientStreamingCall<Decoded, Reply>;
    case "server_streaming":
      return ((call) =>
        run(
          call,
          (context) => sendAll(call, method.handler(decoded(call.request), context), context),
          (status) => endWith(call, status),
        )) satisfies handleServerStreamingCall<Decoded, Reply>;
    case "bidi_streaming":
      return ((call) =>
        run(
          call,
          (context) => sendAll(call, method.handler(requestsOf(call, context.signal), context), context),
          (status) => endWith(call, status),
        )) satisfies handleBidiStreamingCall<Decoded, Reply>;
  }
};

/** What every kind of call has. */
type ServerSurfaceCall = Pick<
  ServerUnaryCall<Decoded, Reply>,
  "metadata" | "getPeer" | "getAuthContext" | "sendMetadata"
>;
type AnyCall = ServerSurfaceCall & { on(event: "cancelled", listener: () => void): unknown };

/** The one catch-all of this transport. */
const runner =
  (path: string, { door, log }: HandlerContext) =>
  (
    call: AnyCall,
    work: (context: Call) => Promise<void>,
    refuse: (status: Partial<StatusObject>) => void,
  ): void => {
    const entered = door.enter({
      method: path,
      transport: "grpc",
      peer: peerOf(call),
      metadata: metadataOf(call.metadata),
      certificate: call.getAuthContext().sslPeerCertificate,
    });
    // grpc-js says so also at the normal end of a call; after `end` that is not news
    call.on("cancelled", () => entered.abort(canceled()));
    const attempt = async (): Promise<void> => work(entered.call());
    attempt()
      .then(
        () => entered.end(OK),
        (error: unknown) => {
          const status = grpcStatus(error, log, path);
          refuse(status);
          entered.end({ code: status.code, message: status.details });
        },
      )
      .catch((error: unknown) => {
        log.error("could not answer", { method: path, error });
        refuse({ code: status.INTERNAL, details: "internal error" });
        entered.end({ code: status.INTERNAL, message: "internal error" });
      });
  };

/** grpc-js calls a Unix socket's other side "unknown". */
const peerOf = (call: ServerSurfaceCall): string => {
  const peer = call.getPeer();
  return peer === "unknown" ? "" : peer;
};

/** Binary values (`-bin`) are nobody's business here. */
const metadataOf = (metadata: Metadata): RequestMetadata =>
  new Map(
    Object.keys(metadata.getMap())
      .filter((name) => !name.endsWith("-bin"))
      .map((name) => [name, metadata.get(name).map(String).join(", ")]),
  );

const sendHeaders = (call: ServerSurfaceCall, reply: ResponseMetadata): void => {
  const entries = [...reply.entries()];
  if (entries.length === 0) return;
  const metadata = new Metadata();
  for (const [name, value] of entries) metadata.set(name, value);
  call.sendMetadata(metadata);
};

/**
 * The client's messages, each read when it is asked for. Leaving the loop does not destroy the call, which has
 * its status still to send.
 */
async function* requestsOf(
  call: ServerReadableStream<Decoded, Reply> | ServerDuplexStream<Decoded, Reply>,
  signal: AbortSignal,
): AsyncGenerator<Message, void> {
  const messages: AsyncIterable<Decoded> = call.iterator({ destroyOnReturn: false });
  for await (const message of abortable(messages, signal)) yield decoded(message);
}

/** Writes as fast as the client reads, and not at all once it is gone; then ends the call with OK. */
const sendAll = async (
  call: Writable,
  replies: AsyncIterable<Reply>,
  { signal, reply: headers }: Call,
): Promise<void> => {
  let isFirst = true;
  for await (const reply of abortable(replies, signal)) {
    if (isFirst) sendHeaders(call, headers);
    isFirst = false;
    if (!call.write(reply)) await drained(call, signal);
  }
  call.end();
};

const drained = (call: Writable, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const settle = (): void => {
      call.off("drain", settle);
      signal.removeEventListener("abort", settle);
      if (signal.aborted) reject(signal.reason);
      else resolve();
    };
    call.on("drain", settle);
    signal.addEventListener("abort", settle);
    if (signal.aborted) settle();
  });

/** The way grpc-js takes a status for a stream; it has its own `error` listener, which ends the call with it. */
const endWith = (call: Writable, status: Partial<StatusObject>): void => {
  if (!call.destroyed) call.emit("error", status);
};

const grpcStatus = (error: unknown, log: Log, path: string): StatusObject => {
  const answer = statusOf(error, log, path);
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(statusToBinary(answer)));
  return { code: answer.code, details: answer.message, metadata };
};
