import { expect, test } from "vitest";
import { deadline, pause, unlessAborted } from "./deadline.ts";

test("a deadline aborts with its name, and not after it was disposed of", async () => {
  const never = new AbortController().signal;
  using limit = deadline(never, 10, "the wait");
  const disposed = deadline(never, 10, "another");
  disposed[Symbol.dispose]();
  await expect.poll(() => limit.signal.aborted).toBe(true);
  expect(limit.signal.reason).toMatchObject({
    code: "deadline_exceeded",
    message: "the wait took longer than 10 ms",
  });
  expect(disposed.signal.aborted).toBe(false);
});

test("the outer signal's reason is passed on, even when it came first", () => {
  const outer = new AbortController();
  using before = deadline(outer.signal, 1000, "x");
  outer.abort("stop");
  using after = deadline(outer.signal, 1000, "x");
  expect([before.signal.reason, after.signal.reason]).toEqual(["stop", "stop"]);
});

test("a pause and a wait end with the signal's own reason", async () => {
  const stop = new AbortController();
  const paused = expect(pause(10_000, stop.signal)).rejects.toThrow("enough");
  const waiting = expect(unlessAborted(new Promise(() => {}), stop.signal)).rejects.toThrow("enough");
  stop.abort(new Error("enough"));
  await Promise.all([paused, waiting]);
  await expect(pause(1, stop.signal)).rejects.toThrow("enough");
  expect(await unlessAborted(Promise.resolve(1), new AbortController().signal)).toBe(1);
});
