import { Command } from "commander";
import { expect, test } from "vitest";
import { keepSeparator, runTarget } from "./command-separator.ts";

const parse = async (...argv: readonly string[]) => {
  const program = new Command().enablePositionalOptions();
  const run = program.command("run").argument("[image]").argument("[command...]").passThroughOptions();
  run.option("-n, --name <name>");
  keepSeparator(run);
  let target: ReturnType<typeof runTarget> | undefined;
  run.action(() => {
    target = runTarget(run.args);
  });
  await program.parseAsync(["run", ...argv], { from: "user" });
  return target;
};

test.each([
  [[], undefined, []],
  [["img"], "img", []],
  [["--"], undefined, []],
  [["img", "--"], "img", []],
  [["--", "ls", "-l"], undefined, ["ls", "-l"]],
  [["-n", "x", "--", "ls"], undefined, ["ls"]],
  [["img", "--", "ls", "-l"], "img", ["ls", "-l"]],
  [["img", "ls", "-n"], "img", ["ls", "-n"]],
  [["img", "git", "log", "--", "file"], "img", ["git", "log", "--", "file"]],
  [["img", "--", "git", "--", "file"], "img", ["git", "--", "file"]],
])("run %j", async (argv, image, command) => {
  expect(await parse(...argv)).toEqual({ image, command });
});
