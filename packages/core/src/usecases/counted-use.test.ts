import { expect, test } from "vitest";
import type { Uid } from "../domain/units.ts";
import type { MicroVMUseCases } from "./api.ts";
import { countedUse } from "./counted-use.ts";

const NEVER = new AbortController().signal;
const TARGET = { namespace: "n", target: "vm" };

/** Use cases of one microVM, and what was said of its use. */
const counted = (microvms: Partial<MicroVMUseCases>) => {
  const said: string[] = [];
  const begin = (uid: Uid) => {
    said.push(`begin ${uid}`);
    return () => void said.push("end");
  };
  const get = async () => ({ uid: "U" }) as unknown as Awaited<ReturnType<MicroVMUseCases["get"]>>;
  const inner = { get, ...microvms } as MicroVMUseCases;
  return { said, microvms: countedUse(inner, { begin } as Parameters<typeof countedUse>[1]) };
};

test("a copy out of a guest is its use until the last byte, or until nobody reads on", async () => {
  const { said, microvms } = counted({
    async *copyOut() {
      yield Buffer.from("1");
      yield Buffer.from("2");
    },
  });
  const request = { path: "/", followsLink: false, isHeaderOnly: false };
  for await (const bytes of microvms.copyOut(TARGET, request, NEVER)) said.push(String(bytes));
  for await (const bytes of microvms.copyOut(TARGET, request, NEVER)) {
    said.push(String(bytes));
    break;
  }
  expect(said).toEqual(["begin U", "1", "2", "end", "begin U", "1", "end"]);
});

test("a copy into a guest, and a session that does not come about, are its use until they fail", async () => {
  const refusal = new Error("no");
  const { said, microvms } = counted({
    copyIn: async () => Promise.reject(refusal),
    forward: async () => Promise.reject(refusal),
  });
  const nothing = (async function* () {})();
  await expect(microvms.copyIn(TARGET, { path: "/", keepsOwners: false }, nothing, NEVER)).rejects.toBe(
    refusal,
  );
  await expect(microvms.forward(TARGET, 80, NEVER)).rejects.toBe(refusal);
  expect(said).toEqual(["begin U", "end", "begin U", "end"]);
});
