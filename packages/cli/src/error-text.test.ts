import { ClientError } from "@flintlock/client";
import pc from "picocolors";
import { expect, test } from "vitest";
import { CliError } from "./cli-error.ts";
import { describeError, renderErrorText } from "./error-text.ts";

const plain = pc.createColors(false);
const render = (error: unknown) => renderErrorText(describeError(error), plain);

test("code, message, why and try stand on lines of their own", () => {
  const error = new CliError("provider_failed", "microVM web failed", { why: "first\nsecond", hint: "look" });
  expect(render(error)).toBe(
    "error[provider_failed]: microVM web failed\nwhy: first\n     second\ntry: look\n",
  );
});

test("the daemon's field is named when its message does not name it", () => {
  expect(render(new ClientError("invalid_spec", "must be 1 to 64", { field: "vcpu" }))).toBe(
    "error[invalid_spec]: must be 1 to 64\nwhy: field vcpu\n",
  );
  expect(render(new ClientError("invalid_spec", "vcpu: must be 1 to 64", { field: "vcpu" }))).toBe(
    "error[invalid_spec]: vcpu: must be 1 to 64\n",
  );
});

test("errors of others are internal, whatever they are", () => {
  expect(render(Object.assign(new Error("ENOENT: no x"), { code: "ENOENT" }))).toBe(
    "error[internal]: ENOENT: no x\n",
  );
  expect(render("text")).toBe("error[internal]: text\n");
});

test("what a guest made of a message stays text", () => {
  expect(render(new ClientError("internal", "a\x1b]0;owned\x07"))).toBe(
    "error[internal]: a\\x1b]0;owned\\x07\n",
  );
});
