/** The programs of others that providers run: where they are, and what they say of themselves. */
import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
/** Such an answer takes milliseconds; on a host that is busy, or emulated, seconds */
const TIMEOUT_MS = 10_000;
const MAX_OUTPUT_BYTES = 64 * 1024;

/** Where the program is, by a path or through PATH; undefined when it is nowhere, or not ours to run. */
export const pathOf = (program: string): string | undefined => {
  const places = program.includes("/")
    ? [program]
    : (process.env["PATH"] ?? "/usr/bin:/bin").split(delimiter).map((directory) => join(directory, program));
  return places.find((place) => {
    try {
      accessSync(place, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
};

/** What it prints, such as for `--version`, bounded in time and length. @throws Error – it cannot be run, or fails */
export const outputOf = async (
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly stdout: string; readonly stderr: string }> =>
  await run(program, args, { signal, timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES });
