import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** The reason why tests that need `programs` cannot run here, or undefined; printed, so that no skip is silent. */
export const missingPrograms = (...programs: readonly string[]): string | undefined => {
  const absent = programs.filter((program) => !isOnPath(program));
  if (absent.length === 0) return undefined;
  const reason = `not installed: ${absent.join(", ")}`;
  console.warn(`SKIPPED: ${reason}`);
  return reason;
};

const isOnPath = (program: string): boolean =>
  (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
