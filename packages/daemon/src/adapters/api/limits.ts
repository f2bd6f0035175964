/** Every bound a client can run into. Lengths in bytes, times in milliseconds. */
export interface ApiLimits {
  /** One gRPC message or one HTTP body; grpc-go's own default */
  readonly maxMessageBytes: number;
  readonly maxHeaderBytes: number;
  /** Nesting of a JSON body */
  readonly maxJsonDepth: number;
  /** Per listener; further ones are closed at once */
  readonly maxConnections: number;
  /** Calls in flight on one gRPC connection */
  readonly maxStreamsPerConnection: number;
  /** From accepting a connection to the end of its TLS handshake */
  readonly handshakeTimeoutMs: number;
  /** How often certificate and credentials files are looked at */
  readonly reloadPeriodMs: number;
  /** From accepting a connection, or its handshake, to knowing its protocol */
  readonly sniffTimeoutMs: number;
  /** From the first byte of an HTTP request to the end of its headers */
  readonly headersTimeoutMs: number;
  /** To the end of its body */
  readonly requestTimeoutMs: number;
  /** HTTP connection without a request */
  readonly keepAliveTimeoutMs: number;
  /** A client that takes nothing of an HTTP response */
  readonly stalledReaderMs: number;
}

export const DEFAULT_LIMITS: ApiLimits = {
  maxMessageBytes: 4 * 1024 * 1024,
  maxHeaderBytes: 16 * 1024,
  maxJsonDepth: 64,
  maxConnections: 1024,
  maxStreamsPerConnection: 256,
  handshakeTimeoutMs: 5_000,
  reloadPeriodMs: 2_000,
  sniffTimeoutMs: 5_000,
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 60_000,
  stalledReaderMs: 60_000,
};
