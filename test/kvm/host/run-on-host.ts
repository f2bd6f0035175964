/** Runs a command on a fresh KVM host, restored in seconds from the saved one. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { machineArgs } from "./machine.ts";
import { QEMU } from "./saved-host.ts";

export interface HostJob {
  /** A bash script, run as root in the checkout; its files are gone afterwards */
  readonly command: string;
  readonly checkout: string;
  /** Seen as /host/vmm */
  readonly vmmDir: string;
  readonly timeLimitMs: number;
}

/** How a run ended: with the command's exit code, or not, and then why. */
export type HostEnd =
  | { readonly exitCode: number }
  | { readonly exitCode?: undefined; readonly lost: string };

/** The command's output goes to our standard output as it comes. `host` is a directory that `savedHost` gave. */
export const runOnHost = async (host: string, job: HostJob): Promise<HostEnd> => {
  const directory = await mkdtemp(join(tmpdir(), "flintlock-kvm-"));
  try {
    await writeFile(join(directory, "command"), job.command);
    const shares = { job: directory, checkout: job.checkout, vmm: job.vmmDir };
    const disk = `file=${join(host, "root.qcow2")},format=qcow2,snapshot=on`;
    const saved = ["-incoming", `exec:zstd -qdc '${join(host, "state.zst")}'`];
    const console_ = join(directory, "console.log");
    const args = [...machineArgs(host, shares, disk), ...saved, "-serial", `file:${console_}`];
    const child = spawn(QEMU, args, { stdio: ["pipe", "inherit", "inherit"] });
    child.stdin.write(`${Math.floor(Date.now() / 1000)}\n`);
    const limit = setTimeout(() => child.kill("SIGKILL"), job.timeLimitMs);
    const [code, signal] = await once(child, "close").finally(() => clearTimeout(limit));
    const exit = await readFile(join(directory, "exit"), "utf8").catch(() => "");
    if (/^\d+\n$/.test(exit)) return { exitCode: Number(exit) };
    const last = (await readFile(console_, "utf8").catch(() => "")).slice(-2000);
    return {
      lost: signal === "SIGKILL" ? `no end in ${job.timeLimitMs / 1000} s` : `QEMU: ${code}\n${last}`,
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
};
