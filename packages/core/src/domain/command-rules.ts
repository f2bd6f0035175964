/** What may be said of a command in a guest, whether it is the main process or one that `exec` runs. */
import { invalidField } from "./errors.ts";
import { parseText } from "./text-rules.ts";

const MAX_ARGS = 1024;
/** Linux's own for one string of argv or environment: execve(2), MAX_ARG_STRLEN */
const MAX_ARG_LENGTH = 128 * 1024;
const ENV_KEY = /^[^=\s]{1,256}$/;

export const parseArgs = (args: readonly string[], field: string): readonly string[] => {
  if (args.length > MAX_ARGS) throw invalidField(field, `at most ${MAX_ARGS} arguments are possible`);
  for (const [index, arg] of args.entries()) parseArg(arg, `${field}[${index}]`);
  return args;
};

/** May be empty. */
export const parseArg = (arg: string, field: string): string => {
  if (arg.length > MAX_ARG_LENGTH) throw invalidField(field, `is longer than ${MAX_ARG_LENGTH}`);
  if (arg.includes("\0")) throw invalidField(field, "contains a zero byte");
  return arg;
};

export const parseEnv = (
  env: Readonly<Record<string, string>>,
  field: string,
): Readonly<Record<string, string>> => {
  const entries = Object.entries(env);
  if (entries.length > MAX_ARGS) throw invalidField(field, `at most ${MAX_ARGS} variables are possible`);
  for (const [key, value] of entries) {
    if (!ENV_KEY.test(key) || key.includes("\0")) {
      throw invalidField(field, "a variable's name must be 1 to 256 characters without '=' or white space");
    }
    if (value.length > MAX_ARG_LENGTH || value.includes("\0")) {
      throw invalidField(
        `${field}[${key}]`,
        `must be at most ${MAX_ARG_LENGTH} characters without zero bytes`,
      );
    }
  }
  return env;
};

export const parseUser = (text: string, field: string): string => {
  parseText(text, field, 128);
  if (/^[^:\s]+(:[^:\s]+)?$/.test(text)) return text;
  throw invalidField(field, "must be user or user:group, names or numbers");
};

export const parseCwd = (text: string, field: string): string => {
  parseText(text, field, 4096);
  if (text.startsWith("/")) return text;
  throw invalidField(field, "must be an absolute path in the guest");
};
