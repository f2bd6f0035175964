import { CliError, codeOf } from "../cli-error.ts";

const CODES: Readonly<Record<string, string>> = {
  ENOENT: "not_found",
  EACCES: "permission_denied",
  EPERM: "permission_denied",
  ENOSPC: "exhausted",
  EDQUOT: "exhausted",
  EFBIG: "exhausted",
  EEXIST: "conflict",
  EISDIR: "conflict",
  ENOTDIR: "conflict",
  ELOOP: "conflict",
};

/** What the host's file system refused, told by the name that the user knows the file by. */
export const hostError = (name: string, error: unknown): unknown => {
  if (!(error instanceof Error && "errno" in error)) return error;
  const why = error.message.replace(/, \w+ .*$/, "");
  return new CliError(CODES[codeOf(error)] ?? "internal", `${name}: cannot be copied`, { why, cause: error });
};
