/** The microVMs of a daemon. */
import { randomUUID } from "node:crypto";
import { type CreateOptions, createRequest, refuseUnknown } from "./create-options.ts";
import type { Abortable, DaemonLink } from "./daemon-link.ts";
import { MicroVM } from "./microvm.ts";
import { type MicroVMState, stateNumber } from "./microvm-state.ts";

export interface ListOptions extends Abortable {
  /** All namespaces when absent */
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly states?: readonly MicroVMState[] | undefined;
}

const PAGE = 1_000;

export class MicroVMStore {
  readonly #link: DaemonLink;

  /** @internal */
  constructor(link: DaemonLink) {
    this.#link = link;
  }

  /**
   * Stores a microVM and returns at once; it is `pending`, and stays when the object goes. May be sent more than once, and makes
   * one microVM. Not cut off half way: one that was made would not be known.
   */
  async create(options: CreateOptions = {}): Promise<MicroVM> {
    const request = createRequest({ ...options, requestId: options.requestId ?? randomUUID() });
    return new MicroVM(
      this.#link,
      await this.#link.repeat((client, call) => client.microvms.create(request, call)),
      false,
    );
  }

  /** By uid, a unique prefix of one, or name. @throws ClientError `not_found` */
  async get(
    target: string,
    { namespace = "", signal }: Abortable & { readonly namespace?: string } = {},
  ): Promise<MicroVM> {
    const message = await this.#link.repeat(
      (client, call) => client.microvms.get({ target, namespace }, call),
      {
        signal,
      },
    );
    return new MicroVM(this.#link, message, false);
  }

  /** All that fit, by creation. */
  async list(options: ListOptions = {}): Promise<readonly MicroVM[]> {
    refuseUnknown(options, ["namespace", "name", "labels", "states", "signal"]);
    const { namespace = "", name = "", labels = {}, states = [], signal } = options;
    const filter = {
      namespace,
      name,
      labels: { ...labels },
      states: states.map(stateNumber),
      pageSize: PAGE,
    };
    const found: MicroVM[] = [];
    let pageToken = "";
    do {
      const request = { ...filter, pageToken };
      const page = await this.#link.repeat((client, call) => client.microvms.list(request, call), { signal });
      for (const message of page.microvms) found.push(new MicroVM(this.#link, message, false));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    return found;
  }
}
