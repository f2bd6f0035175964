import { expect, test } from "vitest";
import { abortable, orAborted } from "./abortable.ts";

const forever = new Promise<never>(() => undefined);

test("a source that never answers ends with the signal, and is told to return", async () => {
  const controller = new AbortController();
  let isReturned = false;
  const source: AsyncIterable<number> = {
    [Symbol.asyncIterator]: () => ({
      next: () => forever,
      return: () => {
        isReturned = true;
        return forever;
      },
    }),
  };
  const items = abortable(source, controller.signal).next();
  controller.abort(new Error("gone"));
  await expect(items).rejects.toThrow("gone");
  expect(isReturned).toBe(true);
});

test("a source that ends is passed on whole and left alone", async () => {
  let isCut = false;
  async function* source() {
    try {
      yield 1;
      yield 2;
    } finally {
      isCut = true;
    }
  }
  const seen: number[] = [];
  for await (const item of abortable(source(), new AbortController().signal)) seen.push(item);
  expect([seen, isCut]).toEqual([[1, 2], true]);
});

test("a consumer that leaves early ends the source", async () => {
  let isCut = false;
  async function* source() {
    try {
      while (true) yield 1;
    } finally {
      isCut = true;
    }
  }
  for await (const _ of abortable(source(), new AbortController().signal)) break;
  expect(isCut).toBe(true);
});

test("a promise that fails after the abort is nobody's unhandled rejection", async () => {
  const controller = new AbortController();
  controller.abort(new Error("gone"));
  const late = new Promise<never>((_, reject) => setTimeout(() => reject(new Error("late")), 5));
  await expect(orAborted(late, controller.signal)).rejects.toThrow("gone");
  await new Promise((resolve) => setTimeout(resolve, 10));
});
