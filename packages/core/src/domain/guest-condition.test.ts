import { expect, test } from "vitest";
import { parseCondition, parseConditions, shownCondition } from "./guest-condition.ts";

test("each word is a condition, with its port or command", () => {
  const texts = ["agent", "cloud-init", "ssh", "ip", "tcp:1", "tcp:65535", "exec:test -e /a,b && echo 'c:d'"];
  expect(texts.map((text) => parseCondition(text, "c"))).toEqual([
    { kind: "agent" },
    { kind: "cloud-init" },
    { kind: "ssh" },
    { kind: "ip" },
    { kind: "tcp", port: 1 },
    { kind: "tcp", port: 65_535 },
    { kind: "exec", command: "test -e /a,b && echo 'c:d'" },
  ]);
});

test.each([
  ["", "must be agent, cloud-init"],
  ["godot", "must be agent, cloud-init"],
  ["tcp:0", "must be agent, cloud-init"],
  ["tcp:080", "must be agent, cloud-init"],
  ["tcp:65536", "1 to 65535"],
  ["tcp:99999", "1 to 65535"],
  ["tcp:", "must be agent, cloud-init"],
  ["exec:", "must be agent, cloud-init"],
  ["exec: \t", "the command is empty"],
  ["exec:a\0b", "must be agent, cloud-init"],
  [`exec:${"x".repeat(4097)}`, "at most 4096"],
])("%j is refused by its place", (text, words) => {
  expect(() => parseCondition(text, "conditions[3]")).toThrow(words);
  expect(() => parseCondition(text, "conditions[3]")).toThrow("conditions[3]");
});

test("a list has 1 to 8, each once, and every wrong one is told", () => {
  expect(parseConditions(["agent", "tcp:80", "agent"], "c")).toEqual(["agent", "tcp:80"]);
  expect(() => parseConditions([], "c")).toThrow("at least one");
  expect(() => parseConditions(Array(9).fill("agent"), "c")).toThrow("at most 8");
  expect(() => parseConditions(["x", "agent", "y"], "c")).toThrow(/c\[0\].*c\[2\]/);
});

test("a long command is shown short", () => {
  expect(shownCondition(`exec:${"x".repeat(1000)}`)).toHaveLength(61);
  expect(shownCondition("tcp:80")).toBe("tcp:80");
});
