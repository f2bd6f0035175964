/** The client of flintlockd: `connect` for programs, and what the CLI stands on. */
export { create, fromJson, type MessageInitShape, toJson } from "@bufbuild/protobuf";
export { timestampDate } from "@bufbuild/protobuf/wkt";
export * from "@flintlock/api";
export { type DaemonAddress, parseAddress } from "./address.ts";
export { type Carried, carryConnection } from "./carry-connection.ts";
export {
  CLIENT_ERROR_CODES,
  ClientError,
  type ClientErrorCode,
  type ClientErrorOptions,
  type FieldViolation,
} from "./client-error.ts";
export type { ConnectionOptions, Timeouts, TlsOptions } from "./connection-options.ts";
export { type Client, type ClientOptions, createClient } from "./create-client.ts";
export type { CreateOptions, ReadyWhen, RestartPolicyName, VolumeOption } from "./create-options.ts";
export type { Abortable } from "./daemon-link.ts";
export { defaultAddress, defaultSocketPath, ownsDirectory, resolveSocketPath } from "./default-address.ts";
export type { Command, ExecInput, ExecOptions, ExecResult, SpawnOptions } from "./exec.ts";
export type { ExpiryOption } from "./expiry-option.ts";
export { type ConnectOptions, connect, Flintlock } from "./flintlock.ts";
export { GuestProcess } from "./guest-process.ts";
export { ImageStore, type LoadOptions, type PullOptions, uploadImage } from "./image-store.ts";
export type { LimitsOption } from "./limits-option.ts";
export { ensureLocalDaemon, type LocalDaemon } from "./local-daemon.ts";
export { mergeMessages } from "./merge-messages.ts";
export {
  type CopyInOptions,
  type CopyOutOptions,
  type LogOptions,
  MicroVM,
  type StopOptions,
  type VerbOptions,
  type WaitCondition,
} from "./microvm.ts";
export type { GuestExit, MicroVMFailure, MicroVMState } from "./microvm-state.ts";
export { type ListOptions, MicroVMStore } from "./microvm-store.ts";
export type { ForwardOptions, PortForward } from "./port-forward.ts";
export type { ListenerOption, PortObject, PortOption, PublishedPort } from "./port-option.ts";
export type { RunOptions } from "./run-microvm.ts";
export type { RetryOptions } from "./safe-retry.ts";
export type { FileOrText } from "./secret-files.ts";
export type { CallOptions, Duplex, ServiceClient } from "./service-client.ts";
export type { Size } from "./size-option.ts";
export type { MicroVMChanges, UpdateResult } from "./update-options.ts";
export { type TarUpload, uploadTar } from "./upload-tar.ts";
export type { EventsClient, WatchRequest } from "./watch-events.ts";
export type { EventType, MicroVMEvent, WatchOptions } from "./watched-events.ts";
