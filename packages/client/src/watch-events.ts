/** The changes of microVMs, across broken connections and restarts of the daemon. */
import { setTimeout as sleep } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { events } from "@flintlock/api";
import { ClientError } from "./client-error.ts";
import { abortError } from "./from-grpc.ts";
import type { CallOptions, ServiceClient } from "./service-client.ts";

export type WatchRequest = MessageInitShape<typeof events.WatchEventsRequestSchema>;

export interface EventsClient {
  /**
   * Each change once, in order. When the connection breaks, or the daemon is started again, it goes on after the last
   * position by itself, for as long as that takes; a snapshot that is cut off begins anew. Bookmarks are among the events:
   * what is kept of their positions may be given as `since` another day.
   *
   * Throws ClientError: `unavailable` – the daemon was not there to begin with; `out_of_range` – what follows the position is
   * no longer kept: list anew, or go on from `detail.first_position`.
   */
  watch(request: WatchRequest, options?: CallOptions): AsyncIterable<events.Event>;
}

const MIN_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;

export const createEventsClient = (service: ServiceClient<typeof events.Events>): EventsClient => ({
  async *watch(request, options) {
    let since = request.since ?? "";
    let hasBegun = false;
    let pauseMs = MIN_PAUSE_MS;
    for (;;) {
      const isResumed = since !== (request.since ?? "");
      const asked = isResumed ? { ...request, since, snapshot: false } : request;
      try {
        for await (const event of service.watch(asked, options)) {
          hasBegun = true;
          pauseMs = MIN_PAUSE_MS;
          if (event.position !== undefined) since = String(event.position);
          yield event;
        }
        if (request.untilNow === true) return;
      } catch (error) {
        if (!hasBegun || !(error instanceof ClientError) || error.code !== "unavailable") throw error;
      }
      await pause(pauseMs, options?.signal);
      pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS);
    }
  },
});

/** With jitter: a daemon that comes back is not to meet all its watchers in one moment. */
const pause = async (ms: number, signal: AbortSignal | undefined): Promise<void> => {
  try {
    await sleep(ms * (1 + Math.random()), undefined, { signal });
  } catch (error) {
    if (signal?.aborted) throw abortError(signal);
    throw error;
  }
};
