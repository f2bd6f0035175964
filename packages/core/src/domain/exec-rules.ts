/** Rules for a command that `exec` runs in a guest. Fields are named as in `ExecStart` of the wire. */
import { invalidField } from "./errors.ts";
import { EXEC_FIELDS, MAX_EXEC_BYTES } from "./exec-fields.ts";
import type { TextRule } from "./field-rule.ts";
import { parseForm, parseText, parseTextMap, utf8Length } from "./text-rules.ts";
import { parseAll, parseEach } from "./violations.ts";

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

/** @throws FlintlockError `invalid_spec` – names each field that breaks a rule */
export const parseExec = (input: ExecInput): ExecRequest => {
  const { cmd, args, cwd, env, user, timeoutSeconds, isShell, hasStdin, terminal } = input;
  const request = parseAll<ExecRequest>({
    cmd: () => parseCmd(cmd, isShell),
    args: () => parseArgs(args),
    cwd: () => (cwd === "" ? undefined : parsePlain(cwd, "start.cwd")),
    env: () => parseTextMap(env, "start.env", EXEC_FIELDS["start.env"], parseArgument),
    user: () => (user === "" ? undefined : parsePlain(user, "start.user")),
    timeoutSeconds: () => parseTimeout(timeoutSeconds),
    isShell: () => isShell,
    hasStdin: () => hasStdin,
    terminal: () => terminal,
  });
  const bytes = utf8Length(JSON.stringify([request.cmd, request.args, request.env]));
  if (bytes > MAX_EXEC_BYTES) {
    throw invalidField(
      "start",
      `cmd, args and env are ${bytes} bytes together; at most ${MAX_EXEC_BYTES} are possible`,
    );
  }
  return request;
};

const parseCmd = (cmd: string, isShell: boolean): string => {
  if (cmd === "" && !isShell) throw invalidField("start.cmd", "must not be empty");
  return parseArgument(cmd, "start.cmd");
};

const parseArgs = (args: readonly string[]): readonly string[] => {
  const { maxItems } = EXEC_FIELDS["start.args"];
  if (args.length > maxItems) throw invalidField("start.args", `at most ${maxItems} arguments are possible`);
  return parseEach(args, (arg, index) => parseArgument(arg, `start.args[${index}]`));
};

/** What it is, is not repeated: arguments and environments hold secrets. */
const parseArgument = (
  text: string,
  field: string,
  rule: TextRule = EXEC_FIELDS["start.args"].item,
): string => {
  if (text.length <= rule.maxLength && rule.pattern?.test(text) !== false) return text;
  throw invalidField(field, `must be at most ${rule.maxLength} ${rule.form ?? "characters"}`);
};

const parsePlain = (text: string, field: "start.user" | "start.cwd"): string =>
  parseForm(parseText(text, field, EXEC_FIELDS[field]), field, EXEC_FIELDS[field]);

const parseTimeout = (seconds: number): number => {
  const { min, max } = EXEC_FIELDS["start.timeout_seconds"];
  if (Number.isInteger(seconds) && seconds >= min && seconds <= max) return seconds;
  throw invalidField("start.timeout_seconds", "must be 0 (no limit) or more");
};
