/**
 * A typed client for any protobuf-es service over grpc-js, made from the service's descriptor.
 * Streams keep back-pressure: nothing is read ahead of the consumer beyond grpc-js's sixteen messages,
 * and `write` waits while the daemon does not read.
 */
import type {
  DescMessage,
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { ClientDuplexStream, Client as GrpcClient, Metadata } from "@grpc/grpc-js";
import { ClientError } from "./client-error.ts";
import { abortError, fromGrpc } from "./from-grpc.ts";

export interface CallOptions {
  /** Cancels the call; the promise or iteration then throws ClientError `canceled` or `deadline_exceeded` */
  readonly signal?: AbortSignal | undefined;
  /** Of a call that is answered once: in place of the client's own limit. 0: none */
  readonly timeoutMs?: number | undefined;
}

/** A call that carries messages both ways. */
export interface Duplex<Input, Output> {
  /** Ends with the call; throws ClientError. May be iterated once. */
  readonly responses: AsyncIterable<Output>;
  /** Resolves once accepted; waits while the daemon does not read. A call that has ended swallows it. */
  write(message: Input): Promise<void>;
  /** Half-closes: no more messages from this side. */
  end(): void;
  cancel(): void;
}

type MethodOf<M> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
      : M extends DescMethodBiDiStreaming<infer I, infer O>
        ? (options?: CallOptions) => Duplex<MessageInitShape<I>, MessageShape<O>>
        : never;

export type ServiceClient<S extends DescService> = {
  readonly [K in keyof S["method"]]: MethodOf<S["method"][K]>;
};

export interface Channel {
  readonly grpc: GrpcClient;
  /** For error texts */
  readonly address: string;
  /** Ends every call */
  readonly signal: AbortSignal | undefined;
  /** Goes with every call; says who calls */
  readonly metadata: Metadata;
  /** Limit of a call that is answered once; 0: none */
  readonly callMs: number;
}

export const createServiceClient = <S extends DescService>(
  service: S,
  channel: Channel,
): ServiceClient<S> => {
  const methods = service.methods.map((method) => [method.localName, callOf(method, channel)] as const);
  // SAFETY: `callOf` returns for each kind of method the function that MethodOf names for it.
  return Object.fromEntries(methods) as ServiceClient<S>;
};

const callOf = (method: DescService["methods"][number], channel: Channel): unknown => {
  switch (method.methodKind) {
    case "unary":
      return (request: MessageInitShape<DescMessage>, options?: CallOptions) =>
        callUnary(method, channel, request, options);
    case "server_streaming":
      return (request: MessageInitShape<DescMessage>, options?: CallOptions) =>
        callServerStream(method, channel, request, options);
    case "bidi_streaming":
      return (options?: CallOptions) => callDuplex(method, channel, options);
    case "client_streaming":
      return () => {
        throw new ClientError("internal", `${method.name}: no service of ours streams to the server only`);
      };
  }
};

type Method<I extends DescMessage, O extends DescMessage> = DescService["methods"][number] & {
  readonly input: I;
  readonly output: O;
};

const codec = <I extends DescMessage, O extends DescMessage>(method: Method<I, O>) => ({
  path: `/${method.parent.typeName}/${method.name}`,
  serialize: (message: MessageShape<I>): Buffer => Buffer.from(toBinary(method.input, message)),
  deserialize: (bytes: Buffer): MessageShape<O> => fromBinary(method.output, bytes),
});

const callUnary = <I extends DescMessage, O extends DescMessage>(
  method: Method<I, O>,
  channel: Channel,
  request: MessageInitShape<I>,
  options: CallOptions | undefined,
): Promise<MessageShape<O>> => {
  const { path, serialize, deserialize } = codec(method);
  const signal = signalOf(channel, options);
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortError(signal));
    const message = create(method.input, request);
    const limitMs = options?.timeoutMs ?? channel.callMs;
    const call = channel.grpc.makeUnaryRequest(
      path,
      serialize,
      deserialize,
      message,
      channel.metadata,
      limitMs === 0 ? {} : { deadline: Date.now() + limitMs },
      (error, value) => {
        release();
        if (error === null && value !== undefined) resolve(value);
        else reject(fromGrpc(error, channel.address, signal));
      },
    );
    const release = onAbort(signal, () => call.cancel());
  });
};

const callServerStream = async function* <I extends DescMessage, O extends DescMessage>(
  method: Method<I, O>,
  channel: Channel,
  request: MessageInitShape<I>,
  options: CallOptions | undefined,
): AsyncGenerator<MessageShape<O>> {
  const { path, serialize, deserialize } = codec(method);
  const signal = signalOf(channel, options);
  if (signal?.aborted) throw abortError(signal);
  const call = channel.grpc.makeServerStreamRequest(
    path,
    serialize,
    deserialize,
    create(method.input, request),
    channel.metadata,
  );
  // The iteration reports errors; without a listener, one that comes after its end would crash the process.
  call.on("error", () => {});
  const release = onAbort(signal, () => call.cancel());
  try {
    for await (const message of call) yield message as MessageShape<O>;
  } catch (error) {
    throw fromGrpc(error, channel.address, signal);
  } finally {
    release();
    call.cancel();
  }
};

const callDuplex = <I extends DescMessage, O extends DescMessage>(
  method: Method<I, O>,
  channel: Channel,
  options: CallOptions | undefined,
): Duplex<MessageInitShape<I>, MessageShape<O>> => {
  const { path, serialize, deserialize } = codec(method);
  const signal = signalOf(channel, options);
  if (signal?.aborted) throw abortError(signal);
  const call = channel.grpc.makeBidiStreamRequest(path, serialize, deserialize, channel.metadata);
  call.on("error", () => {});
  const release = onAbort(signal, () => call.cancel());
  const ended = new Promise<void>((resolve) => call.once("status", () => resolve()));
  let isOver = false;
  call.once("status", () => {
    isOver = true;
    release();
  });
  return {
    responses: duplexResponses(call, (error) => fromGrpc(error, channel.address, signal), release),
    write: async (message) => {
      if (isOver || call.writableEnded) return;
      if (!call.write(create(method.input, message))) await Promise.race([drained(call), ended]);
    },
    end: () => {
      if (!isOver) call.end();
    },
    cancel: () => call.cancel(),
  };
};

const duplexResponses = async function* <I, O>(
  call: ClientDuplexStream<I, O>,
  toError: (error: unknown) => ClientError,
  release: () => void,
): AsyncGenerator<O> {
  try {
    // Not `for await (… of call)`: leaving that would destroy the writing half, and with it the error's text.
    for await (const message of call.iterator({ destroyOnReturn: false })) yield message as O;
  } catch (error) {
    throw toError(error);
  } finally {
    release();
    call.cancel();
  }
};

const drained = (
  call: ClientDuplexStream<never, never> | { once(event: "drain", listener: () => void): unknown },
) => new Promise<void>((resolve) => call.once("drain", () => resolve()));

const signalOf = (channel: Channel, options: CallOptions | undefined): AbortSignal | undefined => {
  const own = options?.signal;
  if (own === undefined || channel.signal === undefined) return own ?? channel.signal;
  return AbortSignal.any([own, channel.signal]);
};

const onAbort = (signal: AbortSignal | undefined, listener: () => void): (() => void) => {
  signal?.addEventListener("abort", listener, { once: true });
  return () => signal?.removeEventListener("abort", listener);
};
