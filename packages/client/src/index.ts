/** The client of flintlockd: what the CLI stands on, and what a program may use instead of it. */
export { create, fromJson, type MessageInitShape, toJson } from "@bufbuild/protobuf";
export { timestampDate } from "@bufbuild/protobuf/wkt";
export * from "@flintlock/api";
export { type DaemonAddress, parseAddress } from "./address.ts";
export {
  CLIENT_ERROR_CODES,
  ClientError,
  type ClientErrorCode,
  type ClientErrorOptions,
  type FieldViolation,
} from "./client-error.ts";
export type { ConnectionOptions, Timeouts, TlsOptions } from "./connection-options.ts";
export { type Client, type ClientOptions, createClient } from "./create-client.ts";
export { defaultAddress, defaultSocketPath, ownsDirectory, resolveSocketPath } from "./default-address.ts";
export { ensureLocalDaemon, type LocalDaemon } from "./local-daemon.ts";
export { mergeMessages } from "./merge-messages.ts";
export type { CallOptions, Duplex, ServiceClient } from "./service-client.ts";
export type { EventsClient, WatchRequest } from "./watch-events.ts";
