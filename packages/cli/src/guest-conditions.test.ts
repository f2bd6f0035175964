import { expect, test } from "vitest";
import { parseGuestConditions } from "./guest-conditions.ts";

test("conditions are split at commas, and a command goes to the end of its flag", () => {
  expect(parseGuestConditions("--for", ["agent,tcp:80", "ip", "ssh,exec:test a,b -a c", "exec:x,y"])).toEqual(
    ["agent", "tcp:80", "ip", "ssh", "exec:test a,b -a c", "exec:x,y"],
  );
});

test.each(["", "godot", "agent,", "tcp", "tcp:x", "agent exec:x"])("%j is refused", (text) => {
  expect(() => parseGuestConditions("--ready", [text])).toThrow("--ready");
});
