import { setTimeout as sleep } from "node:timers/promises";
import { FlintlockError } from "@flintlock/core";
import { expect, test } from "vitest";
import { joined } from "./duplex.ts";

const never = new AbortController().signal;
const gone = new FlintlockError("unavailable", "no longer connected");

const input = async function* (): AsyncGenerator<string> {
  yield "input";
};

test("input that finds nobody any more does not take away the last words of who ended", async () => {
  const output = async function* (): AsyncGenerator<string> {
    await sleep(50);
    yield "exit 5";
  };
  const all: string[] = [];
  for await (const each of joined(never, input(), () => Promise.reject(gone), output())) all.push(each);
  expect(all).toEqual(["exit 5"]);
});

test("but where there are none, and for any other error, it is the input's error that is told", async () => {
  const silent = async function* (): AsyncGenerator<string> {
    await new Promise(() => undefined);
    yield "";
  };
  const run = async (error: Error): Promise<void> => {
    for await (const _ of joined(never, input(), () => Promise.reject(error), silent())) expect.unreachable();
  };
  await expect(run(gone)).rejects.toThrow("no longer connected");
  const before = performance.now();
  await expect(run(new FlintlockError("invalid_spec", "stdin"))).rejects.toThrow("stdin");
  expect(performance.now() - before).toBeLessThan(900);
});
