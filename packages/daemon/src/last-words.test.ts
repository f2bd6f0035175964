import { FlintlockError } from "@flintlock/core";
import { expect, test } from "vitest";
import { lastWords } from "./last-words.ts";

test("what failed, why and what to do stand in one line", () => {
  const cause = new Error("first\nsecond", { cause: new Error("ENOSPC") });
  const error = new FlintlockError("unavailable", "the store cannot write", { cause, hint: "make room" });
  expect(lastWords(error, "store")).toBe(
    "flintlockd: store: the store cannot write: first second: ENOSPC; make room\n",
  );
});

test("of several failures the first speaks, and nothing is said twice", () => {
  const inner = new Error("closing api", { cause: new Error("closing api") });
  expect(lastWords(new AggregateError([inner], "all"))).toBe("flintlockd: internal error: closing api\n");
});
