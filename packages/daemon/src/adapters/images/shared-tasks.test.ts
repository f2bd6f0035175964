import { expect, test } from "vitest";
import { KeyedLock } from "./keyed-lock.ts";
import { SharedTasks } from "./shared-tasks.ts";

const never = () => new AbortController().signal;

test("callers of one key share one run and its progress from the start", async () => {
  const tasks = new SharedTasks<number, string>();
  let runs = 0;
  const start = async (_: AbortSignal, report: (progress: string) => void) => {
    report("first");
    return ++runs;
  };
  const heard: string[] = [];
  const listener = (progress: string) => heard.push(progress);
  const all = [tasks.run("a", start, never(), listener), tasks.run("a", start, never(), listener)];
  expect(await Promise.all(all)).toEqual([1, 1]);
  expect(heard).toEqual(["first", "first"]);
  expect(await tasks.run("a", start, never())).toBe(2);
});

test("an abort detaches one caller, the last one aborts the work, and a new caller starts anew", async () => {
  const tasks = new SharedTasks<string>();
  const signals: AbortSignal[] = [];
  const start = (signal: AbortSignal) => {
    signals.push(signal);
    return signals.length === 1 ? new Promise<string>(() => {}) : Promise.resolve("anew");
  };
  const [one, two] = [new AbortController(), new AbortController()];
  const first = tasks.run("a", start, one.signal);
  const second = tasks.run("a", start, two.signal);
  one.abort(new Error("one left"));
  await expect(first).rejects.toThrow("one left");
  expect(signals[0]?.aborted).toBe(false);
  two.abort(new Error("two left"));
  await expect(second).rejects.toThrow("two left");
  expect(signals[0]?.aborted).toBe(true);
  expect(await tasks.run("a", start, never())).toBe("anew");
});

test("a listener that throws does not end the work", async () => {
  const tasks = new SharedTasks<string, number>();
  const start = async (_: AbortSignal, report: (progress: number) => void) => {
    report(1);
    report(2);
    return "done";
  };
  const broken = () => {
    throw new Error("broken listener");
  };
  expect(await tasks.run("a", start, never(), broken)).toBe("done");
});

test("a failure goes to every caller and is not remembered", async () => {
  const tasks = new SharedTasks<string>();
  const fail = async () => {
    throw new Error("no");
  };
  const all = await Promise.allSettled([tasks.run("a", fail, never()), tasks.run("a", fail, never())]);
  expect(all.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(await tasks.run("a", async () => "yes", never())).toBe("yes");
});

test("a lock is held by one at a time, in order, and one that stops waiting blocks nobody", async () => {
  const lock = new KeyedLock();
  const order: string[] = [];
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const first = lock.run("a", undefined, async () => {
    await held;
    order.push("first");
  });
  const controller = new AbortController();
  const leaving = lock.run("a", controller.signal, async () => {
    order.push("never");
  });
  const third = lock.run("a", undefined, async () => {
    order.push("third");
  });
  await lock.run("b", undefined, async () => {
    order.push("other key");
  });
  controller.abort(new Error("left"));
  await expect(leaving).rejects.toThrow("left");
  release();
  await Promise.all([first, third]);
  expect(order).toEqual(["other key", "first", "third"]);
});
