/** Which Cloud Hypervisor this is. */
import { FlintlockError } from "@flintlock/core";
import { outputOf } from "../shared/programs.ts";

/** The oldest that upstream's last releases know */
export const OLDEST_MAJOR = 41;

export interface Version {
  readonly major: number;
  readonly minor: number;
  /** As it says it, such as `v53.0.0` */
  readonly text: string;
}

export const isAtLeast = (version: Version, major: number, minor = 0): boolean =>
  version.major > major || (version.major === major && version.minor >= minor);

/** Of `cloud-hypervisor v53.0.0`; undefined for anything else. */
export const parseVersion = (output: string): Version | undefined => {
  const [, text, major, minor] =
    output.slice(0, 200).match(/^cloud-hypervisor (v?(\d{1,4})\.(\d{1,4})\S*)/m) ?? [];
  return text === undefined ? undefined : { major: Number(major), minor: Number(minor), text };
};

export interface Program {
  readonly binary: string;
  readonly version: Version;
}

/**
 * The first of `binaries` that can be run.
 * @throws FlintlockError `unsupported` – none can, or it is something else, or too old
 */
export const findProgram = async (binaries: readonly string[], signal: AbortSignal): Promise<Program> => {
  const failures: unknown[] = [];
  for (const binary of binaries) {
    const said = await outputOf(binary, ["--version"], signal).catch(
      (cause: unknown) => void failures.push(cause),
    );
    signal.throwIfAborted();
    if (said !== undefined) return { binary, version: checked(binary, parseVersion(said.stdout)) };
  }
  throw new FlintlockError("unsupported", `Cloud Hypervisor (${binaries.join(", ")}) cannot be run`, {
    hint: "Install a release of it, and name the program with --cloudhypervisor-bin.",
    cause: failures[0],
  });
};

const checked = (binary: string, version: Version | undefined): Version => {
  if (version === undefined) throw new FlintlockError("unsupported", `${binary} is no Cloud Hypervisor`);
  if (version.major >= OLDEST_MAJOR) return version;
  throw new FlintlockError("unsupported", `Cloud Hypervisor ${version.text} is too old`, {
    hint: `It must be v${OLDEST_MAJOR}.0 or newer.`,
  });
};
