/** `ExecStart` of upstream's exec and of ours, in wire names. */
import type { FieldRule } from "./field-rule.ts";
import { REQUEST_FIELDS } from "./request-fields.ts";

const { item: ARGUMENT } = REQUEST_FIELDS["process.command"];

export const EXEC_FIELDS = {
  "start.cmd": {
    type: "string",
    ...ARGUMENT,
    note: "The program, looked up in the command's own PATH; may be empty only with `shell`.",
  },
  "start.args": { type: "list", maxItems: 1024, item: ARGUMENT, note: "Its arguments." },
  "start.cwd": {
    ...REQUEST_FIELDS["process.cwd"],
    default: "the main process's, or /",
    note: "Working directory; made when it is missing.",
  },
  "start.env": { ...REQUEST_FIELDS["process.env"], note: "Added to the main process's environment." },
  "start.shell": { type: "bool", default: false, note: "Runs `sh -c` with cmd and args joined by spaces." },
  "start.user": { ...REQUEST_FIELDS["process.user"], default: "root" },
  "start.timeout_seconds": {
    type: "int32",
    min: 0,
    max: 2 ** 31 - 1,
    default: "no limit",
    note: "The command is ended then, by TERM and 2 s later by KILL; more than 366 days count as 366.",
  },
  "start.has_stdin": { type: "bool", default: false, note: "Without it, what the client sends is dropped." },
} as const satisfies Readonly<Record<string, FieldRule>>;

/** Of `cmd`, `args` and `env` as JSON: the agent reads 1 MiB, and the rest is for what surrounds them. */
export const MAX_EXEC_BYTES = 1_000_000;
