/** `flintlock.v1.Events`. */
import { events } from "@flintlock/api";
import { watchRequest, wireWatched } from "../convert/event.ts";
import { stopping } from "../errors.ts";
import { type BoundService, bindService } from "../service.ts";

export interface EventsService {
  readonly service: BoundService;
  /** Ends every watch, which would keep a stop waiting; its client goes on at the next daemon. */
  stop(): void;
}

export const createEventsService = (): EventsService => {
  const open = new Set<AbortController>();
  let isStopped = false;
  const service = bindService(events.Events, {
    watch: async function* (request, { signal, useCases }) {
      if (isStopped) throw stopping();
      // Not `AbortSignal.any`: what it makes of one that lives as long as the daemon piles up in it
      const end = new AbortController();
      const onAbort = (): void => end.abort(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      open.add(end);
      try {
        for await (const item of useCases.events.watch(watchRequest(request), end.signal)) {
          yield wireWatched(item, request.withMicrovms);
        }
      } finally {
        open.delete(end);
        signal.removeEventListener("abort", onAbort);
      }
    },
  });
  return {
    service,
    stop: () => {
      isStopped = true;
      for (const end of open) end.abort(stopping());
    },
  };
};
