/** The SDK's front door. */
import type { InfoResponse } from "@flintlock/api";
import type { Client } from "./create-client.ts";
import { refuseUnknown } from "./create-options.ts";
import { type Abortable, DaemonLink, type LinkOptions } from "./daemon-link.ts";
import { ImageStore } from "./image-store.ts";
import type { MicroVM } from "./microvm.ts";
import { MicroVMStore } from "./microvm-store.ts";
import { type RunOptions, runMicroVM } from "./run-microvm.ts";
import { type MicroVMEvent, type WatchOptions, watchEvents } from "./watched-events.ts";

export type ConnectOptions = LinkOptions;

const NAMES: Readonly<Record<keyof ConnectOptions, true>> = {
  address: true,
  token: true,
  tokenFile: true,
  tls: true,
  timeouts: true,
  retry: true,
  startDaemon: true,
  signal: true,
};

export class Flintlock implements AsyncDisposable {
  readonly microvms: MicroVMStore;
  readonly images: ImageStore;
  readonly events: {
    /** Each change of a microVM once, in order, across broken connections and restarts of the daemon. */
    watch(options?: WatchOptions): AsyncIterable<MicroVMEvent>;
  };
  readonly #link: DaemonLink;

  /** @internal */
  constructor(options: ConnectOptions) {
    refuseUnknown(options, Object.keys(NAMES));
    this.#link = new DaemonLink(options);
    this.microvms = new MicroVMStore(this.#link);
    this.images = new ImageStore(this.#link);
    this.events = { watch: (watch = {}) => watchEvents(this.#link, watch) };
  }

  /**
   * Makes a microVM and resolves when its guest is up, or has ended. `await using` deletes it at the end of its block.
   *
   * Without a command the image's own runs. An image whose command is a shell, and the bundled one, stays idle instead: a shell
   * without a terminal would end at once. It is there for `exec`, and `attach` talks to its shell.
   * @throws ClientError – with the failure's code and `step`: the guest did not come up; what was made is deleted again
   */
  run(options: RunOptions = {}): Promise<MicroVM> {
    return runMicroVM({ link: this.#link, images: this.images, microvms: this.microvms }, options);
  }

  /** Version, providers and accelerator of the daemon. */
  info(options: Abortable = {}): Promise<InfoResponse> {
    return this.#link.repeat((client, call) => client.host.info({}, call), options);
  }

  /** The services as they are on the wire, for what has no method here. */
  get client(): Client {
    return this.#link.client;
  }

  /** Ends what is under way. Open connections do not keep a program alive: one that just ends needs no close. */
  close(): void {
    this.#link.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

/**
 * A connection to a daemon: `address`, else `FLINTLOCK_HOST`, else this user's own, which is started when none answers.
 * Nothing is sent before the first call.
 * @throws ClientError `invalid_spec` – an option makes no sense
 */
export const connect = (options: ConnectOptions = {}): Flintlock => new Flintlock(options);
