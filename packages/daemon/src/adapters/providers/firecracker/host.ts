/** Which Firecracker there is, and whether guests can run under it. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Availability, FlintlockError } from "@flintlock/core";
import { kvmObstacle } from "../shared/kvm-device.ts";
import { type FirecrackerVersion, isAtLeast, OLDEST, parseVersion, showVersion } from "./version.ts";

const run = promisify(execFile);
const TIMEOUT_MS = 10_000;
const MAX_OUTPUT_BYTES = 64 * 1024;

/** @throws FlintlockError `unsupported` – it cannot be run, is none, or is too old */
export const firecrackerVersion = async (
  binary: string,
  signal: AbortSignal,
): Promise<FirecrackerVersion> => {
  const version = parseVersion(await output(binary, signal));
  if (version === undefined) {
    throw new FlintlockError("unsupported", `${binary} does not say that it is Firecracker`);
  }
  if (isAtLeast(version, OLDEST)) return version;
  throw new FlintlockError(
    "unsupported",
    `Firecracker ${showVersion(version)} is too old: ${showVersion(OLDEST)} is the oldest that works`,
  );
};

/** As the port wants it (core: ports/provider.ts). */
export const availability = async (
  version: (signal: AbortSignal) => Promise<FirecrackerVersion>,
  signal: AbortSignal,
): Promise<Availability> => {
  try {
    const found = showVersion(await version(signal));
    const obstacle = await kvmObstacle();
    if (obstacle !== undefined) return { isUsable: false, reason: `Firecracker needs KVM: ${obstacle}` };
    return { isUsable: true, reason: `Firecracker ${found}; /dev/kvm opens` };
  } catch (error) {
    signal.throwIfAborted();
    return { isUsable: false, reason: error instanceof Error ? error.message : String(error) };
  }
};

const output = async (binary: string, signal: AbortSignal): Promise<string> => {
  try {
    const options = { signal, timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES };
    return (await run(binary, ["--version"], options)).stdout;
  } catch (cause) {
    signal.throwIfAborted();
    throw new FlintlockError("unsupported", `Firecracker (${binary}) cannot be run`, {
      hint: "Install it from github.com/firecracker-microvm/firecracker/releases, and name it by --firecracker-bin.",
      cause,
    });
  }
};
