/** VMMs to test with: `FLINTLOCK_VMM_DIR` names a directory of programs such as `cloud-hypervisor-v53.0`. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { probeAccelerator } from "../../../packages/daemon/src/adapters/providers/qemu/accelerator.ts";

export interface VmmBinary {
  /** With its version */
  readonly name: string;
  readonly path: string | undefined;
  /** Why it cannot run a guest here; undefined = it can */
  readonly obstacle: string | undefined;
}

/** An emulated host takes longer than a daemon would wait */
const PROBE_TIMEOUT_MS = 60_000;

/** All that are there; one with an obstacle when there is none. */
export const vmmBinaries = async (kind: string): Promise<readonly VmmBinary[]> => {
  const programs = await vmmPrograms(kind);
  if (programs.every(({ path }) => path === undefined)) return programs;
  const obstacle = await kvmObstacle();
  return programs.map((program) => ({ ...program, obstacle }));
};

/** The same, for what needs no KVM. */
export const vmmPrograms = async (kind: string): Promise<readonly VmmBinary[]> => {
  const directory = process.env["FLINTLOCK_VMM_DIR"];
  if (directory === undefined) return [missing(kind, "FLINTLOCK_VMM_DIR names no directory of VMMs")];
  const names = (await readdir(directory)).filter(
    (name) => name.startsWith(`${kind}-v`) && !/\.[a-z]+$/.test(name),
  );
  if (names.length === 0) return [missing(kind, `there is no ${kind} in ${directory}`)];
  return names.sort().map((name) => ({ name, path: join(directory, name), obstacle: undefined }));
};

const missing = (name: string, obstacle: string): VmmBinary => ({ name, path: undefined, obstacle });

/** A device that opens proves nothing: a guest must have run. */
const kvmObstacle = async (): Promise<string | undefined> => {
  const stateFile = join(import.meta.dirname, "../../../dist/test-accelerator.json");
  const probe = { binary: "qemu-system-x86_64", stateFile, timeoutMs: PROBE_TIMEOUT_MS };
  const { accelerator, reason } = await probeAccelerator(probe, new AbortController().signal);
  return accelerator === "kvm" ? undefined : `no KVM: ${reason}`;
};
