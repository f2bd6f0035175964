/** Rules for a command that `exec` runs in a guest. Fields are named as in `ExecStart` of the wire. */
import { parseArg, parseArgs, parseCwd, parseEnv, parseUser } from "./command-rules.ts";
import { invalidField } from "./errors.ts";

/** As it came over the wire: typed, but not yet believed. */
export interface ExecInput {
  /** May be empty only with `isShell` */
  readonly cmd: string;
  readonly args: readonly string[];
  /** Empty = the main process's */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly isShell: boolean;
  /** Empty = root */
  readonly user: string;
  /** 0 = no limit */
  readonly timeoutSeconds: number;
  readonly hasStdin: boolean;
  readonly terminal: TerminalSize | undefined;
}

export interface ExecRequest {
  readonly cmd: string;
  readonly args: readonly string[];
  readonly cwd: string | undefined;
  /** Added to the main process's own */
  readonly env: Readonly<Record<string, string>>;
  /** Runs `sh -c` with `cmd` and `args` joined by spaces */
  readonly isShell: boolean;
  readonly user: string | undefined;
  /** 0 = no limit; the agent ends the command then, and takes more than 366 days for 366 days */
  readonly timeoutSeconds: number;
  readonly hasStdin: boolean;
  /** Gives the command a terminal of this size */
  readonly terminal: TerminalSize | undefined;
}

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** The agent takes 1 MiB of JSON; the rest is for what surrounds these. */
const MAX_REQUEST_BYTES = 1_000_000;
const MAX_INT32 = 2 ** 31 - 1;

/** @throws FlintlockError `invalid_spec` – names the field */
export const parseExec = (input: ExecInput): ExecRequest => {
  const { timeoutSeconds, isShell, hasStdin, terminal } = input;
  if (input.cmd === "" && !isShell) throw invalidField("start.cmd", "must not be empty");
  if (!Number.isInteger(timeoutSeconds) || timeoutSeconds < 0 || timeoutSeconds > MAX_INT32) {
    throw invalidField("start.timeout_seconds", "must be 0 (no limit) or more");
  }
  const request: ExecRequest = {
    cmd: parseArg(input.cmd, "start.cmd"),
    args: parseArgs(input.args, "start.args"),
    cwd: input.cwd === "" ? undefined : parseCwd(input.cwd, "start.cwd"),
    env: parseEnv(input.env, "start.env"),
    user: input.user === "" ? undefined : parseUser(input.user, "start.user"),
    timeoutSeconds,
    isShell,
    hasStdin,
    terminal,
  };
  const bytes = utf8Length(JSON.stringify([request.cmd, request.args, request.env]));
  if (bytes > MAX_REQUEST_BYTES) {
    throw invalidField(
      "start",
      `cmd, args and env are ${bytes} bytes together; at most ${MAX_REQUEST_BYTES} are possible`,
    );
  }
  return request;
};

const utf8Length = (text: string): number => {
  let length = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return length;
};
