import type { DescMethod, DescService, Message } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { metered } from "./metered.ts";
import type { BoundMethod, BoundService, Call } from "./service.ts";

const message = {} as Message;
const call = {} as Call;
const some = async function* (count: number): AsyncGenerator<Message> {
  for (let i = 0; i < count; i++) yield message;
};
const drained = async (items: AsyncIterable<unknown>): Promise<number> => {
  let count = 0;
  for await (const _ of items) count++;
  return count;
};
const desc = (name: string): DescMethod => ({ name }) as DescMethod;

const METHODS: readonly BoundMethod[] = [
  { kind: "unary", desc: desc("One"), handler: async () => message },
  { kind: "server_streaming", desc: desc("Down"), handler: () => some(3) },
  {
    kind: "client_streaming",
    desc: desc("Up"),
    handler: async (requests) => {
      await drained(requests);
      return message;
    },
  },
  {
    kind: "bidi_streaming",
    desc: desc("Both"),
    handler: async function* (requests) {
      for await (const request of requests) yield request;
    },
  },
  {
    kind: "unary",
    desc: desc("Fails"),
    handler: async () => {
      throw new Error("no");
    },
  },
];

test("each message of each kind of call is counted once, and what was not answered was not sent", async () => {
  const counts: Record<string, [received: number, sent: number]> = {};
  const described: string[] = [];
  const count = (path: string, index: 0 | 1): void => {
    const both = counts[path] ?? [0, 0];
    both[index]++;
    counts[path] = both;
  };
  const service: BoundService = { desc: { typeName: "x.Y" } as DescService, methods: METHODS };
  const [bound] = metered([service], {
    describe: (methods) => described.push(...methods.map(({ path, kind }) => `${kind} ${path}`)),
    received: (path) => count(path, 0),
    sent: (path) => count(path, 1),
  });
  for (const method of bound?.methods ?? []) {
    if (method.kind === "unary") await method.handler(message, call).catch(() => undefined);
    if (method.kind === "server_streaming") await drained(method.handler(message, call));
    if (method.kind === "client_streaming") await method.handler(some(4), call);
    if (method.kind === "bidi_streaming") await drained(method.handler(some(2), call));
  }
  expect(counts).toEqual({
    "/x.Y/One": [1, 1],
    "/x.Y/Down": [1, 3],
    "/x.Y/Up": [4, 1],
    "/x.Y/Both": [2, 2],
    "/x.Y/Fails": [1, 0],
  });
  expect(described).toEqual([
    "unary /x.Y/One",
    "server_streaming /x.Y/Down",
    "client_streaming /x.Y/Up",
    "bidi_streaming /x.Y/Both",
    "unary /x.Y/Fails",
  ]);
});
