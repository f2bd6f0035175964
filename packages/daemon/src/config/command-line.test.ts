import { expect, test } from "vitest";
import { parseCommandLine } from "./command-line.ts";

const settings = (...args: readonly string[]) => Object.fromEntries(parseCommandLine(args).settings);

test("flags may stand before and after the command, with a space or an equals sign", () => {
  const { words, settings } = parseCommandLine([
    "-v",
    "2",
    "config",
    "check",
    "--log-format=json",
    "--insecure",
  ]);
  expect(words).toEqual(["config", "check"]);
  expect(Object.fromEntries(settings)).toEqual({ verbosity: 2, "log-format": "json", insecure: true });
});

test("short flags are taken as upstream's are", () => {
  expect([settings("-v9"), settings("-v", "9"), settings("-v=9")]).toEqual(Array(3).fill({ verbosity: 9 }));
});

test.each([
  ["--insecure", true],
  ["--insecure=true", true],
  ["--insecure=T", true],
  ["--insecure=1", true],
  ["--insecure=false", false],
  ["--insecure=0", false],
])("%s is %s", (flag, value) => {
  expect(settings(flag)).toEqual({ insecure: value });
});

test("a switch takes no word after it, and a repeated list adds up", () => {
  expect(parseCommandLine(["--insecure", "false"]).words).toEqual(["false"]);
  expect(settings("--allow-bridge", "br0,br1", "--allow-bridge", "br2")).toEqual({
    "allow-bridge": ["br0", "br1", "br2"],
  });
});

test("an earlier name of a flag is the same flag", () => {
  expect(settings("--delete-timeout", "3")).toEqual({ "deleteMicroVM-timeout": 3000 });
});

test.each([
  [["--bogus"], "unknown flag --bogus"],
  [["-x"], "unknown flag -x"],
  [["--Insecure"], "unknown flag --Insecure"],
  [["--grpc-endpoint"], "--grpc-endpoint: needs a value"],
  [["--grpc-endpoint", "--insecure"], "--grpc-endpoint: needs a value"],
  [["--insecure=maybe"], '--insecure: "maybe" is not true or false'],
  [["--verbosity", "1.5"], '--verbosity: "1.5" is not a whole number from 0 to 100'],
  [["--maximum-retry", "1001"], "is not a whole number from 0 to 1000"],
  [["--resync-period", "0"], "is not a duration such as 10m, 1h30m or 90 (seconds), from 1s to 24h"],
  [["--resync-period", "soon"], '--resync-period: "soon" is not a duration'],
  [["--log-format", "xml"], '--log-format: "xml" is not one of text, json'],
  [["--state-dir", "x".repeat(5000)], "must be at most 4096 characters"],
])("%j is refused", (args, words) => {
  expect(() => parseCommandLine(args)).toThrow(expect.objectContaining({ code: "invalid_spec" }));
  expect(() => parseCommandLine(args)).toThrow(words);
});
