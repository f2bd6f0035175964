/** Which Firecracker there is, and whether guests can run under it. */
import { type Availability, FlintlockError, toFlintlockError } from "@flintlock/core";
import { KVM_HINT, kvmObstacle } from "../shared/kvm-device.ts";
import { outputOf } from "../shared/programs.ts";
import { type FirecrackerVersion, isAtLeast, OLDEST, parseVersion, showVersion } from "./version.ts";

const INSTALL =
  "Install it from github.com/firecracker-microvm/firecracker/releases, and name it by --firecracker-bin.";

/** @throws FlintlockError `unsupported` – it cannot be run, is none, or is too old */
export const firecrackerVersion = async (
  binary: string,
  signal: AbortSignal,
): Promise<FirecrackerVersion> => {
  const version = parseVersion(await versionText(binary, signal));
  if (version === undefined) {
    throw new FlintlockError("unsupported", `${binary} does not say that it is Firecracker`, {
      hint: INSTALL,
    });
  }
  if (isAtLeast(version, OLDEST)) return version;
  throw new FlintlockError(
    "unsupported",
    `Firecracker ${showVersion(version)} is too old: ${showVersion(OLDEST)} is the oldest that works`,
    { hint: INSTALL },
  );
};

/** As the port wants it (core: ports/provider.ts). `triedKvm`: why no guest runs under KVM, where somebody has tried. */
export const availability = async (
  version: (signal: AbortSignal) => Promise<FirecrackerVersion>,
  triedKvm: (signal: AbortSignal) => Promise<string | undefined>,
  signal: AbortSignal,
): Promise<Availability> => {
  try {
    const found = showVersion(await version(signal));
    const obstacle = (await kvmObstacle()) ?? (await triedKvm(signal));
    if (obstacle === undefined) return { isUsable: true, reason: `Firecracker ${found}, and /dev/kvm opens` };
    return { isUsable: false, reason: `Firecracker ${found} needs KVM: ${obstacle}`, hint: KVM_HINT };
  } catch (error) {
    signal.throwIfAborted();
    const { message, hint } = toFlintlockError(error);
    return { isUsable: false, reason: message, hint };
  }
};

const versionText = async (binary: string, signal: AbortSignal): Promise<string> => {
  try {
    return (await outputOf(binary, ["--version"], signal)).stdout;
  } catch (cause) {
    signal.throwIfAborted();
    throw new FlintlockError("unsupported", `Firecracker (${binary}) cannot be run`, {
      hint: INSTALL,
      cause,
    });
  }
};
