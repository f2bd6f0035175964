import type { ExecInput, TerminalSize } from "@flintlock/core";

/** What upstream's `ExecStart` and ours share. */
export interface ExecStart {
  readonly cmd: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly shell: boolean;
  readonly user: string;
  readonly timeoutSeconds: number;
  readonly hasStdin: boolean;
}

export const execInputOf = (start: ExecStart, terminal: TerminalSize | undefined): ExecInput => ({
  cmd: start.cmd,
  args: start.args,
  cwd: start.cwd,
  env: start.env,
  isShell: start.shell,
  user: start.user,
  timeoutSeconds: start.timeoutSeconds,
  hasStdin: start.hasStdin,
  terminal,
});
