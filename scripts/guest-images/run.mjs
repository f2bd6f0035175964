/** Running the tools this build needs; each failure says which and what to install. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
/** An ordinary user's PATH often lacks the directories of depmod and modprobe. */
const PATH = `${process.env["PATH"] ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`;

/** A failure that a person can do something about: its message is all they need to see. */
export class BuildError extends Error {}

/** Runs a program without a shell and returns what it wrote to stdout. */
export async function run(program, args, options = {}) {
  try {
    const { stdout } = await promisify(execFile)(program, args, {
      maxBuffer: MAX_OUTPUT_BYTES,
      ...options,
      env: { ...process.env, LC_ALL: "C", PATH, ...options.env },
    });
    return stdout;
  } catch (error) {
    if (error.code === "ENOENT") {
      throw new BuildError(`${program} is not installed. Run: npm run system-packages`);
    }
    const words = String(error.stderr ?? "").trim() || error.message;
    throw new BuildError(`${program} ${args.slice(0, 3).join(" ")} … failed:\n${words}`);
  }
}

export function progress(text) {
  process.stderr.write(`guest-images: ${text}\n`);
}
