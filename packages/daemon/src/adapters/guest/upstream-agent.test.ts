/** What upstream's guest-agent (its main branch, built as it is) answers to our requests, byte for byte. */
import type { ByteStream, ExecOutput, ExecRequest } from "@flintlock/core";
import { expect, test } from "vitest";
import { attach, exec, extensions, forward, info, ping, poweroff, setClock } from "./agent.ts";

const never = new AbortController().signal;

const RECORDED = {
  ping: '\x06\0\0\0\n{"code":0}',
  info: '\x04\0\0\0\x2f{"version":"dev","uname":"Linux","uptime":"1s"}\x06\0\0\0\n{"code":0}',
  both: '\x04\0\0\0\x04out\n\x05\0\0\0\x04err\n\x06\0\0\0\n{"code":3}',
  missing:
    '\x07\0\0\0>{"msg":"start: fork/exec /no/such: no such file or directory"}\x06\0\0\0\f{"code":127}',
  timeout: '\x06\0\0\0\f{"code":143}',
  attach: '\x07\0\0\0\x1f{"msg":"unknown op \\"attach\\""}\x06\0\0\0\n{"code":1}',
  forward: '\x07\0\0\0 {"msg":"unknown op \\"forward\\""}\x06\0\0\0\n{"code":1}',
  poweroff: '\x07\0\0\0!{"msg":"unknown op \\"poweroff\\""}\x06\0\0\0\n{"code":1}',
  clock: '\x07\0\0\0\x1e{"msg":"unknown op \\"clock\\""}\x06\0\0\0\n{"code":1}',
} as const;

const recorded = (answer: keyof typeof RECORDED): ByteStream => ({
  bytes: (async function* () {
    yield Buffer.from(RECORDED[answer], "latin1");
  })(),
  write: async () => {},
  end: async () => {},
  [Symbol.asyncDispose]: async () => {},
});

const run = async (answer: keyof typeof RECORDED): Promise<readonly string[]> => {
  const session = await exec(recorded(answer), ANY, never);
  const words: string[] = [];
  for await (const output of session.output) words.push(`${output.kind} ${wordsOf(output)}`);
  return words;
};

const wordsOf = (output: ExecOutput): string => {
  if (output.kind === "exit") return String(output.code);
  return output.kind === "error" ? output.message : Buffer.from(output.bytes).toString();
};

const ANY: ExecRequest = {
  cmd: "any",
  args: [],
  cwd: undefined,
  env: {},
  isShell: false,
  user: undefined,
  timeoutSeconds: 0,
  hasStdin: false,
  terminal: undefined,
};

test("ping, info and commands are understood", async () => {
  await ping(recorded("ping"));
  expect(JSON.parse(await info(recorded("info")))).toMatchObject({ version: "dev" });
  expect(await run("both")).toEqual(["stdout out\n", "stderr err\n", "exit 3"]);
  expect(await run("missing")).toEqual([
    "error start: fork/exec /no/such: no such file or directory",
    "exit 127",
  ]);
  expect(await run("timeout")).toEqual(["exit 143"]);
});

test("it has none of our extensions, and what we ask beyond its protocol is unsupported", async () => {
  expect(await extensions(recorded("info"), never)).toEqual(new Set());
  const unsupported = { code: "unsupported" };
  const attached = await attach(recorded("attach"), undefined, never);
  await expect(attached.output[Symbol.asyncIterator]().next()).rejects.toMatchObject(unsupported);
  await expect(forward(recorded("forward"), 80, never)).rejects.toMatchObject(unsupported);
  await expect(poweroff(recorded("poweroff"))).rejects.toMatchObject(unsupported);
  await expect(setClock(recorded("clock"), Date.now())).rejects.toMatchObject(unsupported);
});
