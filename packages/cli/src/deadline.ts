/** Aborts after `ms` with a TimeoutError, as `AbortSignal.timeout` does; keeps no process alive. */
export const deadline = (ms: number): AbortSignal => {
  const controller = new AbortController();
  setTimeout(
    () => controller.abort(new DOMException(`no answer within ${ms} ms`, "TimeoutError")),
    ms,
  ).unref();
  return controller.signal;
};
