/** The calls in flight, of either transport: each can be ended by its client, all of them by a forced stop. */
export interface OpenCall {
  /** Aborts when the client cancels, goes away or its deadline passes, and at a forced stop. */
  readonly signal: AbortSignal;
  /** Ends the call's waits with `reason`; after `end` nothing. */
  abort(reason: Error): void;
  /** The handler is done. */
  end(): void;
}

export interface OpenCalls {
  start(): OpenCall;
  abortAll(reason: Error): void;
}

export const createOpenCalls = (): OpenCalls => {
  const open = new Set<AbortController>();
  return {
    start: () => {
      const controller = new AbortController();
      open.add(controller);
      return {
        signal: controller.signal,
        abort: (reason) => {
          if (open.has(controller)) controller.abort(reason);
        },
        end: () => void open.delete(controller),
      };
    },
    abortAll: (reason) => {
      for (const controller of open) controller.abort(reason);
    },
  };
};
