/**
 * What an API adapter may ask of the core: nothing else of the core is visible to it. Implemented by
 * `createUseCases` for the daemon, and by a few literals in the API's own tests.
 *
 * Every method throws `FlintlockError` and nothing else.
 */
import type { Caller } from "../domain/caller.ts";
import type { CopyIn, CopyOut } from "../domain/copy-rules.ts";
import type { CreateInput } from "../domain/create-input.ts";
import type { FlintlockError } from "../domain/errors.ts";
import type { ExecInput, TerminalSize } from "../domain/exec-rules.ts";
import type { GuestStats } from "../domain/guest-stats.ts";
import type { Image } from "../domain/image.ts";
import type { LogInput, LogPiece } from "../domain/log-rules.ts";
import type { MicroVM, MicroVMState, ProviderName, ProviderWish } from "../domain/microvm.ts";
import type { EventType, MicroVMEvent } from "../domain/microvm-event.ts";
import type { UnixMs } from "../domain/units.ts";
import type { FieldChange, UpdateInput } from "../domain/update.ts";
import type { PullProgress } from "../ports/image-store.ts";
import type { Availability, ByteStream, MachineMetric, MetricScope } from "../ports/provider.ts";

export interface UseCases {
  readonly microvms: MicroVMUseCases;
  readonly events: EventUseCases;
  readonly images: ImageUseCases;
  readonly host: HostUseCases;
}

/** A uid, a unique prefix of one (4 characters or more), or a name; `namespace` narrows names, empty = any. */
export interface Target {
  readonly target: string;
  readonly namespace: string;
}

export interface ListFilter {
  /** Empty = all */
  readonly namespace: string;
  readonly name: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** Absent or empty = all */
  readonly states?: readonly MicroVMState[];
}

export interface MicroVMUseCases {
  /**
   * Durable when it resolves; provisioning goes on. `caller` is recorded as the creator and held to its quota:
   * `authorized` fills it in, handlers leave it out.
   */
  create(input: CreateInput, caller?: Caller): Promise<MicroVM>;
  get(target: Target): Promise<MicroVM>;
  getByUid(uid: string): Promise<MicroVM>;
  /**
   * Gives the microVM these labels instead of those it has; durable when it resolves.
   * @throws FlintlockError `failed_precondition` – it is being deleted
   */
  setLabels(uid: string, labels: Readonly<Record<string, string>>): Promise<MicroVM>;
  /**
   * Changes what the input names, all of it or nothing; durable when it resolves. With `dryRun` nothing is changed, and
   * the answer is what it would be.
   * @throws FlintlockError `invalid_spec`; `exhausted` – over a quota; `conflict` – of another version than wanted;
   * `failed_precondition` – it is being deleted
   */
  update(target: Target, input: UpdateInput, dryRun: boolean): Promise<Updated>;
  /**
   * The verbs of a microVM's life (`domain/run-wish.ts`). Each records a wish, durable when it resolves, and returns the
   * record; the host follows. Asking for what is wished already is success.
   * @throws FlintlockError `failed_precondition` – it is being deleted, or not in a state for it
   */
  start(target: Target): Promise<MicroVM>;
  /** `graceMs` to end by itself; undefined = the daemon's setting, 0 = at once. */
  stop(target: Target, graceMs: number | undefined): Promise<MicroVM>;
  restart(target: Target, graceMs: number | undefined): Promise<MicroVM>;
  pause(target: Target): Promise<MicroVM>;
  resume(target: Target): Promise<MicroVM>;
  /** Sorted by creation; `pageOf` makes pages of it. */
  list(filter: ListFilter): Promise<readonly MicroVM[]>;
  /**
   * Marks for deletion; durable when it resolves. Repeating it is success while the record exists.
   * @throws FlintlockError `failed_precondition` – it is protected
   */
  delete(target: Target): Promise<void>;
  deleteByUid(uid: string): Promise<void>;
  /** The record now and after each change; `undefined` once, last, when it is gone. */
  watch(target: Target, signal: AbortSignal): AsyncIterable<MicroVM | undefined>;
  attach(target: Target, terminal: TerminalSize | undefined, signal: AbortSignal): Promise<ProcessSession>;
  /** Runs a command in the guest, once it runs. What it ran is ended when the session is. */
  exec(target: Target, input: ExecInput, signal: AbortSignal): Promise<ExecSession>;
  /**
   * The same by upstream's rules.
   * @throws FlintlockError `failed_precondition` – created without `allow_guest_agent`, or not in state `created`
   */
  execByUid(uid: string, input: ExecInput, signal: AbortSignal): Promise<ExecSession>;
  /** A stream to a port of the guest's agent, by the same rules; `SSH_PORT` leads to the guest's SSH server. */
  connectByUid(uid: string, port: number, signal: AbortSignal): Promise<ByteStream>;
  /** A connection to a TCP port, 1 to 65535, of the guest's loopback, once the port took it. */
  forward(target: Target, port: number, signal: AbortSignal): Promise<ByteStream>;
  /**
   * Asks its guest whether conditions hold, one after the other, each until it does: tells each answer that is news.
   * @throws FlintlockError `deadline_exceeded` – with what was seen last; `failed_precondition` – it does not run, nor will
   */
  probe(target: Target, request: ProbeRequest, signal: AbortSignal): AsyncIterable<ProbeReport>;
  /** Files of the guest as a tar stream, in the guest's own bytes. @throws FlintlockError as `GuestSessions` says */
  copyOut(target: Target, request: CopyOut, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** A tar stream into a directory of the guest; all is written when it resolves. */
  copyIn(
    target: Target,
    request: CopyIn,
    archive: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<void>;
  console(target: Target, signal: AbortSignal): Promise<ByteStream>;
  /** What a microVM takes of the host, and what its guest says of itself; two seconds at most. */
  stats(target: Target, signal: AbortSignal): Promise<MicroVMStats>;
  /** Pieces in the order in which they came, to the second. */
  logs(target: Target, input: LogInput, signal: AbortSignal): AsyncIterable<LogPiece>;
  /**
   * Numbers of these microVMs, each with a time limit of its own: one that fails says so and delays no other. In the
   * order asked; uids of no microVM are left out.
   */
  measure(
    uids: readonly string[],
    scope: MetricScope,
    signal: AbortSignal,
  ): Promise<readonly MicroVMMeasurement[]>;
}

export interface ProbeRequest {
  /** As `domain/guest-condition.ts` has them, 1 to 8 */
  readonly conditions: readonly string[];
  /** For all of them; 0 = no limit */
  readonly timeoutSeconds: number;
}

export interface ProbeReport {
  readonly condition: string;
  readonly isMet: boolean;
  /** What was seen: the guest's words, one line */
  readonly seen: string;
}

export interface Updated {
  readonly microvm: MicroVM;
  /** Empty when all was so already */
  readonly changes: readonly FieldChange[];
}

export interface MicroVMStats {
  readonly microvm: MicroVM;
  readonly at: UnixMs;
  /** What its VMM's process takes; undefined when it does not run, or `vmmError` */
  readonly vmm: VmmUse | undefined;
  readonly vmmError: FlintlockError | undefined;
  /** In the guest's own words; undefined when it does not run, or `guestError` */
  readonly guest: GuestStats | undefined;
  readonly guestError: FlintlockError | undefined;
}

export interface VmmUse {
  /** Since it began */
  readonly cpuMs: number;
  readonly residentBytes: number;
}

export interface MicroVMMeasurement {
  readonly uid: string;
  readonly namespace: string;
  readonly id: string;
  /** Empty when it does not run */
  readonly metrics: readonly MachineMetric[];
  /** Why there are no numbers, though it runs; undefined when there are, or when it does not run */
  readonly error: FlintlockError | undefined;
}

/** Stdio of a process in a guest. */
export interface ProcessSession<Output = ProcessOutput> extends AsyncDisposable {
  /** Ends after `exit`. */
  readonly output: AsyncIterable<Output>;
  /** Resolves once accepted; waits while the guest does not read. */
  stdin(bytes: Uint8Array): Promise<void>;
  endStdin(): Promise<void>;
  resize(size: TerminalSize): Promise<void>;
  /** A name such as `INT`. */
  signal(name: string): Promise<void>;
}

export type ProcessOutput =
  | { readonly kind: "stdout" | "stderr"; readonly bytes: Uint8Array }
  | { readonly kind: "exit"; readonly code: number };

/** The agent says why it could not do it, in the guest's own words; an `exit` follows as a rule. */
export type ExecOutput = ProcessOutput | { readonly kind: "error"; readonly message: string };
export type ExecSession = ProcessSession<ExecOutput>;

export interface EventFilter {
  /** Empty = all */
  readonly namespace: string;
  /** A uid or a name; empty = all */
  readonly target: string;
  /** Empty = all */
  readonly types: readonly EventType[];
  /** Before the change or after it */
  readonly labels: Readonly<Record<string, string>>;
}

export interface WatchRequest {
  /** A position (those after it), a time of RFC 3339, `beginning` (all that are kept), or empty (from now on) */
  readonly since: string;
  readonly filter: EventFilter;
  /** First the microVMs that there are */
  readonly hasSnapshot: boolean;
  /** Ends when it has told all that had happened when it began */
  readonly isUntilNow: boolean;
}

export type Watched =
  | { readonly kind: "present"; readonly microvm: MicroVM }
  | {
      readonly kind: "event";
      readonly position: number;
      readonly event: MicroVMEvent;
      /** As it is when this is told, maybe newer than the event; undefined when it is gone */
      readonly microvm: MicroVM | undefined;
    }
  /** All up to here has been told: after the snapshot or at the beginning, then at least every `BOOKMARK_MS` */
  | { readonly kind: "bookmark"; readonly position: number; readonly at: UnixMs };

export interface EventUseCases {
  /**
   * Every change after a position, once, in the order they became durable. `caller` is who the place is counted to:
   * `authorized` fills it in.
   * @throws FlintlockError `out_of_range` – what follows the position is no longer kept; `exhausted` – too many watch
   */
  watch(request: WatchRequest, signal: AbortSignal, caller?: Caller): AsyncIterable<Watched>;
}

export interface ImageWithUse extends Image {
  /** `namespace/id` of the microVMs that use it */
  readonly usedBy: readonly string[];
}

export type ImageEvent =
  | { readonly kind: "progress"; readonly progress: PullProgress }
  | { readonly kind: "image"; readonly image: Image };

export interface ImageUseCases {
  pull(reference: string, policy: string, signal: AbortSignal): AsyncIterable<ImageEvent>;
  /** An OCI layout (tarred), an OCI archive or a `docker save` archive, as bytes. */
  load(reference: string, archive: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncIterable<ImageEvent>;
  list(): Promise<readonly ImageWithUse[]>;
  inspect(reference: string): Promise<ImageWithUse>;
  /** @throws FlintlockError `failed_precondition` – a microVM uses it */
  remove(reference: string): Promise<void>;
  prune(): Promise<{ readonly freedBytes: number }>;
}

export interface HostInfo {
  readonly version: string;
  /** RFC 3339, or "undefined" as upstream's when the build did not say; so the commit */
  readonly buildDate: string;
  readonly commitHash: string;
  readonly stateDir: string;
  readonly pid: number;
  /** Those first that "auto" prefers */
  readonly providers: readonly ProviderInfo[];
  readonly defaultProvider: ProviderWish;
  /** What guests run on: "kvm", "tcg", or "none" when no provider works here */
  readonly accelerator: string;
  /** The most that a microVM of this host may have, `MiB` */
  readonly maxMemoryMib: number;
  /** Since the daemon started, in milliseconds */
  readonly uptimeMs: number;
}

export interface ProviderInfo extends Availability {
  readonly name: ProviderName;
}

export interface HostCheck {
  readonly name: string;
  readonly result: "ok" | "warn" | "fail";
  readonly detail: string;
  readonly hint: string;
  readonly ms: number;
}

/** Of one question to the host. */
export type HostAnswer = Pick<HostCheck, "result" | "detail"> & { readonly hint?: string | undefined };

export interface HostUseCases {
  info(): Promise<HostInfo>;
  check(signal: AbortSignal): AsyncIterable<HostCheck>;
}
