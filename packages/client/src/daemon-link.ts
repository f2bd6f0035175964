/** The way from the SDK's objects to their daemon: started when it is ours to start, and asked again when that is safe. */
import { ClientError } from "./client-error.ts";
import { type ConnectionOptions, resolveConnection } from "./connection-options.ts";
import { type Client, createClient } from "./create-client.ts";
import { abortError, isUnreachable } from "./from-grpc.ts";
import { ensureLocalDaemon } from "./local-daemon.ts";
import { attemptsOf, type Repeatable, type RetryOptions, withRetries } from "./safe-retry.ts";
import type { CallOptions } from "./service-client.ts";

export interface LinkOptions extends ConnectionOptions {
  readonly retry?: RetryOptions | undefined;
  /** Starts this user's daemon when none answers and no address is given; true when absent */
  readonly startDaemon?: boolean | undefined;
  /** Ends every call, and what waits */
  readonly signal?: AbortSignal | undefined;
}

/** What every call of the SDK takes. */
export interface Abortable {
  /** The call then throws ClientError `canceled`, or `deadline_exceeded` when it is a time-out */
  readonly signal?: AbortSignal | undefined;
}

export type Call<T> = (client: Client, options: CallOptions, before: number) => Promise<T>;

/** A daemon that has never answered is more likely not there than restarting. */
const FIRST_ATTEMPTS = 3;
/** As long as `repeat` tries */
const RECONNECT_MS = 7_000;
const FIRST_CONNECT_MS = 1_000;
const NO_DEADLINE_MS = Number.POSITIVE_INFINITY;

export class DaemonLink {
  readonly client: Client;
  readonly #attempts: number;
  readonly #callMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #isOurs: boolean;
  #started: Promise<unknown> | undefined;
  #hasAnswered = false;
  #isClosed = false;

  /** @throws ClientError `invalid_spec` */
  constructor(options: LinkOptions) {
    const { retry = {}, startDaemon = true, signal, ...connection } = options;
    this.#attempts = attemptsOf(retry);
    this.#callMs = resolveConnection(connection).callMs;
    this.#signal = signal;
    this.#isOurs = startDaemon && connection.address === undefined && !process.env["FLINTLOCK_HOST"];
    this.client = createClient({ ...connection, signal });
  }

  /** A call that may be sent again without harm. */
  repeat<T>(call: Call<T>, options: Abortable = {}): Promise<T> {
    return this.#ask(call, options, "always", this.#callMs);
  }

  /** A call that is sent again only if it has certainly not arrived. */
  once<T>(call: Call<T>, options: Abortable = {}): Promise<T> {
    return this.#ask(call, options, "unsent", this.#callMs);
  }

  /** A stream that may begin anew, for as long as it takes. */
  repeatStream<T>(call: Call<T>, options: Abortable = {}): Promise<T> {
    return this.#ask(call, options, "always", 0);
  }

  /**
   * The client, once it has a connection or none can be had: for streams, which are not sent again. The stream itself says
   * what is wrong with the connection.
   */
  async ready({ signal }: Abortable = {}): Promise<Client> {
    await this.#ensure(signal);
    const limitMs = this.#hasAnswered ? RECONNECT_MS : FIRST_CONNECT_MS;
    await unlessAborted(this.client.connected(limitMs), this.#either(signal));
    return this.client;
  }

  close(): void {
    this.#isClosed = true;
    this.client.close();
  }

  async #ask<T>(call: Call<T>, { signal }: Abortable, repeatable: Repeatable, limitMs: number): Promise<T> {
    const deadlineMs = limitMs === 0 ? NO_DEADLINE_MS : Date.now() + limitMs;
    const attempt = async (before: number): Promise<T> => {
      try {
        await this.#ensure(signal);
        const timeoutMs = limitMs === 0 ? 0 : Math.max(1, deadlineMs - Date.now());
        const answer = await call(this.client, { signal, timeoutMs }, before);
        this.#hasAnswered = true;
        return answer;
      } catch (error) {
        if (error instanceof ClientError) {
          if (isUnreachable(error)) this.#started = undefined;
          else this.#hasAnswered = true;
        }
        throw error;
      }
    };
    const attempts = this.#hasAnswered ? this.#attempts : Math.min(this.#attempts, FIRST_ATTEMPTS);
    return withRetries(attempt, { repeatable, attempts, deadlineMs, signal: this.#either(signal) });
  }

  async #ensure(signal: AbortSignal | undefined): Promise<void> {
    if (this.#isClosed) throw new ClientError("canceled", "this connection to flintlockd was closed");
    const either = this.#either(signal);
    if (either?.aborted) throw abortError(either);
    if (!this.#isOurs) return;
    this.#started ??= ensureLocalDaemon(process.env, this.#signal);
    const started = this.#started;
    await started.catch((error: unknown) => {
      if (this.#started === started) this.#started = undefined;
      throw this.#signal?.aborted ? abortError(this.#signal) : error;
    });
  }

  #either(signal: AbortSignal | undefined): AbortSignal | undefined {
    if (signal === undefined || this.#signal === undefined) return signal ?? this.#signal;
    return AbortSignal.any([signal, this.#signal]);
  }
}

const unlessAborted = async (work: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> => {
  if (signal === undefined) return void (await work);
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(abortError(signal));
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
};
