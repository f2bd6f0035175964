/** The questions `doctor` asks this host before it boots a VM. Each runs the real thing. */
import { execFile } from "node:child_process";
import { access, constants, statfs } from "node:fs/promises";
import { promisify } from "node:util";
import { FlintlockError, type HostProbe } from "@flintlock/core";

const run = promisify(execFile);
const TOOL_TIMEOUT_MS = 10_000;
const MIN_FREE_BYTES = 1024 ** 3;

export interface HostProbeOptions {
  readonly stateDir: string;
  readonly qemuBinary: string;
  /** Probes, or recalls the probe of, the accelerator */
  readonly accelerator: () => Promise<{ readonly name: string; readonly why: string }>;
  /** References of the bundled images and whether they are present */
  readonly bundledImages: () => Promise<
    readonly { readonly reference: string; readonly isPresent: boolean }[]
  >;
}

export const hostProbes = (options: HostProbeOptions): readonly HostProbe[] => [
  tool("qemu", options.qemuBinary, ["--version"], "qemu-system-x86"),
  tool("qemu-img", "qemu-img", ["--version"], "qemu-utils"),
  tool("mke2fs", "mke2fs", ["-V"], "e2fsprogs"),
  {
    name: "accelerator",
    async run() {
      const { name, why } = await options.accelerator();
      if (name === "kvm") return { result: "ok", detail: `kvm: ${why}` };
      return {
        result: "warn",
        detail: `software emulation (tcg): ${why}`,
        hint: "guests run, but much slower than with KVM; use a host with virtualisation for speed",
      };
    },
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

/** Debian keeps mke2fs in sbin, which an ordinary user's PATH lacks. */
const toolEnv = () => ({ ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` });
