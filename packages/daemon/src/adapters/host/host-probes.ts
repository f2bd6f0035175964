/** The questions `doctor` asks this host before it boots a VM. Each runs the real thing. */
import { execFile } from "node:child_process";
import { access, constants, statfs } from "node:fs/promises";
import { promisify } from "node:util";
import { FlintlockError, type HostAnswer, type HostProbe, toFlintlockError } from "@flintlock/core";

const run = promisify(execFile);
const TOOL_TIMEOUT_MS = 10_000;
const MIN_FREE_BYTES = 1024 ** 3;

export interface HostProbeOptions {
  readonly stateDir: string;
  readonly kvmDevice?: string;
  /** References of the bundled images and whether they are present */
  readonly bundledImages: () => Promise<
    readonly { readonly reference: string; readonly isPresent: boolean }[]
  >;
}

export const hostProbes = (options: HostProbeOptions): readonly HostProbe[] => [
  asWarning(
    tool("qemu-img", "qemu-img", ["--version"], "qemu-utils"),
    "needed for QEMU's disks, and for volumes with a partition_id",
  ),
  tool("mke2fs", "mke2fs", ["-V"], "e2fsprogs"),
  {
    name: "kvm",
    run: () => kvmAnswer(options.kvmDevice ?? "/dev/kvm"),
  },
  {
    name: "state directory",
    async run() {
      await access(options.stateDir, constants.R_OK | constants.W_OK);
      const { bavail, bsize } = await statfs(options.stateDir);
      const free = bavail * bsize;
      const detail = `${options.stateDir}, ${(free / 1024 ** 3).toFixed(1)} GiB free`;
      if (free >= MIN_FREE_BYTES) return { result: "ok", detail };
      return { result: "warn", detail, hint: "free some space: images and disks need it" };
    },
  },
  {
    name: "networks",
    async run() {
      try {
        await access("/dev/net/tun", constants.R_OK | constants.W_OK);
        if (process.geteuid?.() === 0) return { result: "ok", detail: "user-mode and TAP networks" };
      } catch {
        // Falls through: the answer is the same as without privilege.
      }
      return {
        result: "warn",
        detail: "user-mode network with published ports only",
        hint: "run the daemon as root for TAP interfaces on bridges",
      };
    },
  },
  {
    name: "bundled images",
    async run() {
      const images = await options.bundledImages();
      const missing = images.filter(({ isPresent }) => !isPresent).map(({ reference }) => reference);
      if (missing.length === 0)
        return { result: "ok", detail: images.map(({ reference }) => reference).join(", ") };
      throw new FlintlockError("failed_precondition", `missing: ${missing.join(", ")}`, {
        hint: "run: npm run guest-images",
      });
    },
  },
];

/** That it opens does not prove that guests run under it: the providers' own answers, and the boots, do. */
const kvmAnswer = async (device: string): Promise<HostAnswer> => {
  const withoutKvm = "without KVM only QEMU boots guests, and much slower";
  try {
    await access(device, constants.R_OK | constants.W_OK);
    return { result: "ok", detail: `${device} may be opened` };
  } catch (error) {
    const isThere = !(error instanceof Error && "code" in error && error.code === "ENOENT");
    return isThere
      ? {
          result: "warn",
          detail: `${device} may not be opened: ${withoutKvm}`,
          hint: "join its group, and log in again: sudo usermod -aG kvm $USER",
        }
      : {
          result: "warn",
          detail: `there is no ${device}: ${withoutKvm}`,
          hint: "load the module: sudo modprobe kvm_intel (or kvm_amd); inside a VM, its host must allow nested virtualisation",
        };
  }
};

const tool = (name: string, binary: string, args: readonly string[], debianPackage: string): HostProbe => ({
  name,
  async run(signal) {
    try {
      // mke2fs prints its version on stderr.
      const { stdout, stderr } = await run(binary, [...args], {
        timeout: TOOL_TIMEOUT_MS,
        signal,
        env: toolEnv(),
      });
      return { result: "ok", detail: `${stdout}${stderr}`.split("\n", 1)[0]?.trim() ?? "" };
    } catch (cause) {
      throw new FlintlockError("unsupported", `${binary} does not run`, {
        hint: `install it: sudo apt-get install -y ${debianPackage}`,
        cause,
      });
    }
  },
});

const asWarning = ({ name, run: ask }: HostProbe, use: string): HostProbe => ({
  name,
  run: (signal) =>
    ask(signal).catch((error: unknown) => {
      const { message, hint } = toFlintlockError(error);
      return { result: "warn", detail: `${message}: ${use}`, hint };
    }),
});

/** Debian keeps mke2fs in sbin, which an ordinary user's PATH lacks. */
const toolEnv = () => ({ ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` });
