/** A microVM as an object: what is known of it, and what can be asked of it. */
import { Readable } from "node:stream";
import type { ext } from "@flintlock/api";
import { ClientError } from "./client-error.ts";
import type { Abortable, Call, DaemonLink } from "./daemon-link.ts";
import {
  type Command,
  type ExecOptions,
  type ExecResult,
  execIn,
  type SpawnOptions,
  spawnIn,
} from "./exec.ts";
import { GuestProcess, type ProcessInput } from "./guest-process.ts";
import {
  exitOf,
  failureOf,
  type GuestExit,
  type MicroVMFailure,
  type MicroVMState,
  stateError,
  stateName,
} from "./microvm-state.ts";
import { type ForwardOptions, forwardPort, type PortForward } from "./port-forward.ts";
import type { PublishedPort } from "./port-option.ts";
import { type MicroVMChanges, type UpdateResult, updateRequest } from "./update-options.ts";
import { uploadTar } from "./upload-tar.ts";
import { type MicroVMEvent, type WatchOptions, watchEvents } from "./watched-events.ts";

/** States that `wait` can wait for: of the microVM, … */
const STATE_CONDITIONS = ["running", "paused", "stopped", "exited", "deleted", "settled"] as const;
type StateCondition = (typeof STATE_CONDITIONS)[number];

/** … or how far its guest has come (docs/waiting.md); a daemon may know more */
export type WaitCondition =
  | StateCondition
  | "agent"
  | "ip"
  | "ssh"
  | "cloud-init"
  | `tcp:${number}`
  | `exec:${string}`
  | (string & {});

export interface VerbOptions extends Abortable {
  /** Until it is so; true when absent */
  readonly wait?: boolean | undefined;
}

export interface StopOptions extends VerbOptions {
  /** For the guest to end by itself, 0 to 3600; the daemon's setting when absent */
  readonly graceSeconds?: number | undefined;
}

export interface LogOptions extends Abortable {
  /** Goes on as more is written */
  readonly follow?: boolean | undefined;
  /** The last lines only */
  readonly tail?: number | undefined;
  /** The guest's console, the VMM's own words, what ours report from the guest, or all; "console" when absent */
  readonly source?: "console" | "vmm" | "init" | "agent" | "all" | undefined;
  /** Only what came since then: a time, or a duration before now such as "10m" */
  readonly since?: string | Date | undefined;
}

export interface CopyOutOptions extends Abortable {
  /** Where the path is a symlink, what it leads to is meant */
  readonly followLink?: boolean | undefined;
}

export interface CopyInOptions extends Abortable {
  /** Files belong to whom the stream says; else to root */
  readonly keepOwners?: boolean | undefined;
}

type Service = DaemonLink["client"]["microvms"];
/** Its disposal and what waits for its end, in milliseconds */
const DISPOSE_MS = 60_000;

export class MicroVM implements AsyncDisposable {
  /** As the daemon told it last: everything, as on the wire. `refresh()` asks again. */
  message: ext.MicroVM;
  readonly #link: DaemonLink;
  #isOwned: boolean;

  /** @internal `isOwned`: goes with this object */
  constructor(link: DaemonLink, message: ext.MicroVM, isOwned: boolean) {
    this.#link = link;
    this.message = message;
    this.#isOwned = isOwned;
  }

  get uid(): string {
    return this.message.microvm?.spec?.uid ?? "";
  }
  get name(): string {
    return this.message.microvm?.spec?.id ?? "";
  }
  get namespace(): string {
    return this.message.microvm?.spec?.namespace ?? "";
  }
  get state(): MicroVMState {
    return stateName(this.message.state);
  }
  get labels(): Readonly<Record<string, string>> {
    return this.message.microvm?.spec?.labels ?? {};
  }
  get vcpu(): number {
    return this.message.microvm?.spec?.vcpu ?? 0;
  }
  get memoryMiB(): number {
    return this.message.microvm?.spec?.memoryInMb ?? 0;
  }
  /** Published ones, with the host's ports that were picked */
  get ports(): readonly PublishedPort[] {
    return this.message.ports.map(({ guestPort, hostPort, hostIp, protocol }) => ({
      guestPort,
      hostPort,
      hostIp,
      protocol: protocol === "udp" ? "udp" : "tcp",
    }));
  }
  /** Undefined while the guest runs */
  get exit(): GuestExit | undefined {
    return exitOf(this.message.exit);
  }
  get failure(): MicroVMFailure | undefined {
    return failureOf(this.message.failure);
  }

  /** What it takes of the host, and what its guest says of itself. */
  stats(options: Abortable = {}): Promise<ext.StatsResponse> {
    const { uid: target } = this;
    return this.#link.repeat((client, call) => client.microvms.stats({ target }, call), options);
  }

  /** Asks the daemon how it is now. */
  async refresh(options: Abortable = {}): Promise<this> {
    const { uid: target } = this;
    return this.#take(
      await this.#link.repeat((client, call) => client.microvms.get({ target }, call), options),
    );
  }

  /**
   * Runs a command to its end. One that fails is no error: see `exitCode`. Never sent twice.
   * @throws ClientError `exhausted` – it wrote more than `maxOutputBytes`; `deadline_exceeded` – `timeoutMs` passed
   */
  exec(
    command: Command,
    options: ExecOptions & { readonly encoding: "bytes" },
  ): Promise<ExecResult<Uint8Array>>;
  exec(command: Command, options?: ExecOptions): Promise<ExecResult>;
  exec(command: Command, options: ExecOptions = {}): Promise<ExecResult | ExecResult<Uint8Array>> {
    return execIn(this.#link, this.uid, command, options);
  }

  /** Starts a command whose streams are Node's; `await using` ends it. */
  spawn(command: Command, options: SpawnOptions = {}): Promise<GuestProcess> {
    return spawnIn(this.#link, this.uid, command, options);
  }

  /** The main process's streams, of a microVM that was made with `attach: true`; it starts now, if it has not. */
  async attach({ signal }: Abortable = {}): Promise<GuestProcess> {
    const call = (await this.#link.ready({ signal })).microvms.attach({ signal });
    await call.write({ payload: { case: "start", value: { target: this.uid } } });
    return new GuestProcess({ ...call, send: (payload: ProcessInput) => call.write({ payload }) });
  }

  /** A new run of one that was stopped, has exited or failed, on the same disks. */
  start(options: VerbOptions = {}): Promise<this> {
    return this.#verb("start", {}, ["running", "exited"], options);
  }
  /** It stays stopped until it is started, whatever its restart policy. */
  stop({ graceSeconds, ...options }: StopOptions = {}): Promise<this> {
    return this.#verb("stop", grace(graceSeconds), ["stopped"], options);
  }
  /** `stop` without grace. */
  kill(options: VerbOptions = {}): Promise<this> {
    return this.#verb("stop", { force: true }, ["stopped"], options);
  }
  restart({ graceSeconds, ...options }: StopOptions = {}): Promise<this> {
    return this.#verb("restart", grace(graceSeconds), ["running", "exited"], options);
  }
  /** Stops the guest's processors. */
  pause(options: VerbOptions = {}): Promise<this> {
    return this.#verb("pause", {}, ["paused"], options);
  }
  resume(options: VerbOptions = {}): Promise<this> {
    return this.#verb("resume", {}, ["running", "exited"], options);
  }

  /** Changes what is given, all of it or nothing, and says when each change takes effect. Sent once: it may meet others'. */
  async update(changes: MicroVMChanges, options: Abortable = {}): Promise<UpdateResult> {
    const request = updateRequest(this.uid, changes);
    const { microvm, changes: made } = await this.#link.once(
      (client, call) => client.microvms.update(request, call),
      options,
    );
    if (microvm !== undefined && changes.dryRun !== true) this.#take(microvm);
    return {
      changes: made.map(({ field, effect }) => ({ field, effect: effect === 1 ? "live" : "next-start" })),
    };
  }

  /**
   * Resolves once the condition holds: a state of the microVM, or one or several things of its guest, one after the other.
   * @throws ClientError – it can no longer come to that; `deadline_exceeded` – the signal's time passed, and `why` has what was
   *   seen last
   */
  async wait(
    condition: WaitCondition | readonly string[] = "exited",
    options: Abortable = {},
  ): Promise<this> {
    const state = STATE_CONDITIONS.find((each) => each === condition);
    if (state === undefined) return this.#waitForGuest([condition].flat(), options);
    const { uid: target } = this;
    const waiting: Call<void> = async (client, { signal }) => {
      for await (const message of client.microvms.wait({ target, condition: state }, { signal })) {
        this.#take(message);
        if (state === "running" || state === "exited") this.#refuseHopeless(state);
      }
    };
    await this.#link.repeatStream(state === "deleted" ? gone(waiting) : waiting, options);
    return this;
  }

  async #waitForGuest(conditions: readonly string[], options: Abortable): Promise<this> {
    let seen: string | undefined;
    try {
      await this.#link.repeatStream(async (client, { signal }) => {
        const request = { target: this.uid, conditions: [...conditions] };
        for await (const answer of client.microvms.probe(request, { signal })) {
          seen = `${answer.condition}: ${answer.seen}`;
        }
      }, options);
    } catch (error) {
      if (!(error instanceof ClientError) || error.code !== "deadline_exceeded") throw error;
      throw new ClientError(error.code, error.message, { why: error.why ?? seen, cause: error });
    }
    return this;
  }

  /** Deletes it, with its disks, and waits until it is gone. One that is gone already is no error. */
  async delete(options: VerbOptions = {}): Promise<void> {
    const { uid: target } = this;
    this.#isOwned = false;
    await this.#link.repeat(
      gone((client, call) => client.microvms.delete({ target }, call)),
      options,
    );
    if (options.wait === false) return;
    await this.wait("deleted", options);
  }

  /** Console output as bytes; destroy it, or leave its iteration, to end it. */
  logs({ follow = false, tail = 0, source = "console", since = "", signal }: LogOptions = {}): Readable {
    const from = since instanceof Date ? since.toISOString() : since;
    const request = { target: this.uid, follow, tail, source, since: from };
    const link = this.#link;
    const read = async function* () {
      const client = await link.ready({ signal });
      for await (const { data } of client.microvms.logs(request, { signal })) yield Buffer.from(data);
    };
    return Readable.from(read(), { objectMode: false }).on("error", () => {});
  }

  /** A file or a tree of the guest as a tar stream (pax), named from the path's last component on; sent once. */
  copyOut(path: string, { followLink = false, signal }: CopyOutOptions = {}): Readable {
    const request = { target: this.uid, path, followLink };
    const link = this.#link;
    const read = async function* () {
      const client = await link.ready({ signal });
      for await (const { data } of client.microvms.copyOut(request, { signal })) yield Buffer.from(data);
    };
    return Readable.from(read(), { objectMode: false }).on("error", () => {});
  }

  /** Unpacks a tar stream into a directory of the guest that is there, and resolves when all is written; sent once. */
  async copyIn(
    directory: string,
    archive: AsyncIterable<Uint8Array>,
    { keepOwners = false, signal }: CopyInOptions = {},
  ): Promise<void> {
    const client = await this.#link.ready({ signal });
    await uploadTar(client, archive, { target: this.uid, path: directory, keepOwners, signal });
  }

  /** What happens to it, as `flintlock.events.watch`. */
  events(options: Omit<WatchOptions, "target" | "namespace"> = {}): AsyncIterable<MicroVMEvent> {
    return watchEvents(this.#link, { ...options, target: this.uid });
  }

  /** A port of this host that leads to one on the guest's loopback; needs no network. `await using` closes it. */
  portForward(guestPort: number, options: ForwardOptions = {}): Promise<PortForward> {
    return forwardPort(this.#link, this.uid, guestPort, options);
  }

  /** Keeps it when this object goes: one that `run` made is deleted otherwise. */
  keep(): this {
    this.#isOwned = false;
    return this;
  }

  /** Deletes what `run` made, and waits until it is gone, a minute at most; does nothing to any other. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOwned) await this.delete({ signal: AbortSignal.timeout(DISPOSE_MS) });
  }

  toJSON(): Readonly<Record<string, unknown>> {
    const { uid, name, namespace, state, labels, vcpu, memoryMiB, ports, exit, failure } = this;
    return { uid, name, namespace, state, labels, vcpu, memoryMiB, ports, exit, failure };
  }

  #take(message: ext.MicroVM): this {
    this.message = message;
    return this;
  }

  /** The daemon waits as long as we let it; these states lead to neither. */
  #refuseHopeless(condition: StateCondition): void {
    const hasEnded = condition === "running" && this.state === "exited";
    if (hasEnded || this.state === "failed" || this.state === "deleting") throw stateError(this.message);
  }

  async #verb(
    name: "start" | "stop" | "restart" | "pause" | "resume",
    request: { readonly graceSeconds?: number; readonly force?: boolean },
    states: readonly MicroVMState[],
    { wait = true, signal }: VerbOptions,
  ): Promise<this> {
    const ask: Call<ext.MicroVM> = ({ microvms }, call) =>
      (microvms[name] as Service["stop"])({ target: this.uid, ...request }, call);
    // What is wished already is no new wish, but for a restart: two of them are two.
    this.#take(
      name === "restart" ? await this.#link.once(ask, { signal }) : await this.#link.repeat(ask, { signal }),
    );
    if (!wait) return this;
    const condition = name === "stop" ? "stopped" : name === "pause" ? "paused" : "settled";
    await this.wait(condition, { signal });
    if (!states.includes(this.state)) throw stateError(this.message);
    return this;
  }
}

const grace = (graceSeconds: number | undefined) => (graceSeconds === undefined ? {} : { graceSeconds });

/** What is to be gone, and is. */
const gone =
  (call: Call<unknown>): Call<void> =>
  async (...parts) => {
    try {
      await call(...parts);
    } catch (error) {
      if (!(error instanceof ClientError) || error.code !== "not_found") throw error;
    }
  };
