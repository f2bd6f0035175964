import { expect, test } from "vitest";
import { type ExecInput, parseExec } from "./exec-rules.ts";

const LS: ExecInput = {
  cmd: "ls",
  args: ["-l", ""],
  cwd: "",
  env: {},
  isShell: false,
  user: "",
  timeoutSeconds: 0,
  hasStdin: false,
  terminal: undefined,
};

test("what is left empty is the guest's own", () => {
  expect(parseExec(LS)).toEqual({ ...LS, cwd: undefined, user: undefined });
  const full = {
    ...LS,
    cwd: "/srv",
    user: "www:www",
    env: { A: "1=2", _b: "" },
    timeoutSeconds: 2 ** 31 - 1,
  };
  expect(parseExec(full)).toEqual(full);
});

test("a shell may be given its words as arguments alone", () => {
  expect(parseExec({ ...LS, cmd: "", isShell: true }).cmd).toBe("");
});

test.each<[string, Partial<ExecInput>, string]>([
  ["no command", { cmd: "" }, "start.cmd"],
  ["a zero byte in the command", { cmd: "l\0s" }, "start.cmd"],
  ["a zero byte in an argument", { args: ["a", "b\0"] }, "start.args[1]"],
  ["too many arguments", { args: Array(1025).fill("") }, "start.args"],
  ["an argument longer than the kernel takes", { args: ["x".repeat(131_073)] }, "start.args[0]"],
  ["a relative directory", { cwd: "srv" }, "start.cwd"],
  ["a name of a variable with =", { env: { "A=B": "" } }, "start.env"],
  ["a name of a variable that is empty", { env: { "": "x" } }, "start.env"],
  ["a zero byte in a variable", { env: { A: "\0" } }, "start.env[A]"],
  ["a user with white space", { user: "a b" }, "start.user"],
  ["a time limit below nothing", { timeoutSeconds: -1 }, "start.timeout_seconds"],
  ["a broken time limit", { timeoutSeconds: 0.5 }, "start.timeout_seconds"],
  ["more than the agent reads", { args: Array(9).fill("€".repeat(40_000)) }, "start"],
])("%s is refused by the field's name", (_, change, field) => {
  expect(() => parseExec({ ...LS, ...change })).toThrow(
    expect.objectContaining({ code: "invalid_spec", detail: { field } }),
  );
});
