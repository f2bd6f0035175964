/**
 * The API adapter: gRPC and JSON over HTTP, both from the same descriptors and the same handlers.
 *
 *     listen/  sockets: Unix (both protocols, told apart by the first bytes) and TCP
 *     auth/    who calls: from a certificate, a token, or the socket itself
 *     grpc/    grpc-js: one generic adapter per method kind
 *     http/    a grpc-gateway: routes and JSON from `google.api.http` and the descriptors
 *     services/ one file per service: wire message in, use case, wire message out
 *     convert/  one function per message and direction
 *     schema/   contracts that are others' and have no generated code: health, reflection, google.rpc
 *
 * A handler is a plain function of a decoded request and a `Call`; it knows neither transport. It throws
 * whatever it likes: each transport has one catch-all, and `errors.ts` decides what the caller sees.
 *
 * INVARIANTS: nothing a client sends throws outside a catch-all; every stream ends when its client does;
 * no more is read from a client, or from the core, than the other side takes.
 */
import type { DescMessage, DescMethod, DescService, MessageShape } from "@bufbuild/protobuf";
import type { Caller, UseCases } from "@flintlock/core";
import type { Encoded } from "./encoded.ts";
import type { RequestMetadata, ResponseMetadata } from "./metadata.ts";

export interface Call {
  /** Aborts when the client cancels, goes away or its deadline passes, and at a forced stop. */
  readonly signal: AbortSignal;
  readonly caller: Caller;
  /** What the caller may do, and nothing else */
  readonly useCases: UseCases;
  readonly metadata: RequestMetadata;
  readonly reply: ResponseMetadata;
}

/** What a handler may answer: a message, or its encodings where building the message costs too much. */
type Reply<O extends DescMessage> = MessageShape<O> | Encoded;

export type UnaryHandler<I extends DescMessage, O extends DescMessage> = (
  request: MessageShape<I>,
  call: Call,
) => Promise<Reply<O>>;
export type ServerStreamHandler<I extends DescMessage, O extends DescMessage> = (
  request: MessageShape<I>,
  call: Call,
) => AsyncIterable<Reply<O>>;
export type ClientStreamHandler<I extends DescMessage, O extends DescMessage> = (
  requests: AsyncIterable<MessageShape<I>>,
  call: Call,
) => Promise<Reply<O>>;
export type BidiHandler<I extends DescMessage, O extends DescMessage> = (
  requests: AsyncIterable<MessageShape<I>>,
  call: Call,
) => AsyncIterable<Reply<O>>;

interface HandlerByKind<I extends DescMessage, O extends DescMessage> {
  readonly unary: UnaryHandler<I, O>;
  readonly server_streaming: ServerStreamHandler<I, O>;
  readonly client_streaming: ClientStreamHandler<I, O>;
  readonly bidi_streaming: BidiHandler<I, O>;
}

type MethodShape = Pick<DescMethod, "input" | "output" | "methodKind">;
type ServiceShape = Omit<DescService, "method"> & { readonly method: Record<string, MethodShape> };

/** One handler per method of a generated service; a method added to the proto does not compile without. */
export type Handlers<S extends ServiceShape> = {
  readonly [K in keyof S["method"]]: HandlerByKind<
    S["method"][K]["input"],
    S["method"][K]["output"]
  >[S["method"][K]["methodKind"]];
};

/** A method with its handler, its kind as discriminant: what the transports work on. */
export type BoundMethod = {
  readonly [K in keyof HandlerByKind<DescMessage, DescMessage>]: {
    readonly kind: K;
    readonly desc: DescMethod;
    readonly handler: HandlerByKind<DescMessage, DescMessage>[K];
  };
}[keyof HandlerByKind<DescMessage, DescMessage>];

export interface BoundService {
  readonly desc: DescService;
  readonly methods: readonly BoundMethod[];
}

export const bindService = <S extends ServiceShape>(desc: S, handlers: Handlers<S>): BoundService => ({
  desc: desc as unknown as DescService,
  methods: desc.methods.map((method) => {
    const handler = (handlers as Readonly<Record<string, unknown>>)[method.localName];
    // SAFETY: `Handlers<S>` ties each handler to its method's kind and messages
    return { kind: method.methodKind, desc: method, handler } as BoundMethod;
  }),
});
