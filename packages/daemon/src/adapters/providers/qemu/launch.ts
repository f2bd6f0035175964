/** From a machine to a QEMU that executes it, or to the reason why not. */

import { type FileHandle, rm } from "node:fs/promises";
import { join } from "node:path";
import { FlintlockError, type Machine } from "@flintlock/core";
import { readTail } from "../shared/bounded-log.ts";
import { deadline, pause } from "../shared/deadline.ts";
import { sizeOf } from "../shared/file-bytes.ts";
import { forgetGuestExit } from "../shared/guest-exit.ts";
import { clearGuestStatus } from "../shared/guest-status.ts";
import { GUEST_INITRD, writeGuestInitrd } from "../shared/initrd.ts";
import { openMacvtap } from "../shared/macvtap-device.ts";
import { VMM_LOG, type VmmIdentity, type VmmProcesses } from "../shared/vmm-process.ts";
import {
  AGENT_SOCKET,
  CONSOLE_SOCKET,
  type HostFacts,
  macvtapDevices,
  QMP_SOCKET,
  qemuArgs,
} from "./args.ts";
import { forwardRefusal } from "./forward-refusal.ts";
import { kernelHasAcpi } from "./kernel-acpi.ts";
import { PRELAUNCH, runState, startInflated } from "./run-state.ts";

/** QEMU answers within 0.2 s; many of them at once on a busy host take longer */
const LAUNCH_TIMEOUT_MS = 30_000;
const MAX_WORDS_BYTES = 4096;

/** Starts QEMU in a directory whose earlier VMM, if any, has ended. Resolves when the guest executes. */
export const launch = async (
  machine: Machine,
  binary: string,
  host: HostFacts,
  processes: VmmProcesses,
  signal: AbortSignal,
): Promise<VmmIdentity> => {
  const { directory } = machine;
  const initrd = machine.guest === undefined ? machine.initrdPath : GUEST_INITRD;
  const args = qemuArgs(machine, initrd, host, { hasAcpi: await kernelHasAcpi(machine) });
  await clearTraces(directory);
  if (machine.guest !== undefined) await writeGuestInitrd(machine, machine.guest);
  const logStart = await sizeOf(join(directory, VMM_LOG));
  signal.throwIfAborted();
  const identity = await withMacvtaps(macvtapDevices(machine), (descriptors) =>
    processes.spawn({ binary, args, directory, descriptors }),
  );
  try {
    await executes(machine, identity, processes, signal);
    return identity;
  } catch (error) {
    if (await processes.isAlive(identity)) {
      // Abandoned, it is found by the next start; hung, it would be found hanging.
      if (!signal.aborted) await processes.terminate(identity, 0, signal);
      throw error;
    }
    throw await earlyDeath(await readTail(join(directory, VMM_LOG), MAX_WORDS_BYTES, logStart));
  }
};

/** QEMU has inherited them once it is spawned; ours are closed. */
const withMacvtaps = async <T>(
  names: readonly string[],
  work: (descriptors: readonly number[]) => Promise<T>,
): Promise<T> => {
  const handles: FileHandle[] = [];
  try {
    for (const name of names) handles.push(await openMacvtap(name));
    return await work(handles.map(({ fd }) => fd));
  } finally {
    for (const handle of handles) await handle.close();
  }
};

/**
 * What an earlier run left would be taken for this one's. The pid file stays: a QEMU that still runs holds a lock on
 * it, and so keeps a second one from starting.
 */
const clearTraces = async (directory: string): Promise<void> => {
  await forgetGuestExit(directory);
  await clearGuestStatus(directory);
  for (const name of [QMP_SOCKET, AGENT_SOCKET, CONSOLE_SOCKET, GUEST_INITRD]) {
    await rm(join(directory, name), { force: true });
  }
};

/** Resolves when QMP says "running". A VMM that ends first, or hangs, throws. */
const executes = async (
  { directory, memoryMib, balloonMib = 0 }: Machine,
  identity: VmmIdentity,
  processes: VmmProcesses,
  signal: AbortSignal,
): Promise<void> => {
  using limit = deadline(signal, LAUNCH_TIMEOUT_MS, "starting QEMU");
  for (let wait = 5; ; wait = Math.min(wait * 2, 50)) {
    if (!(await processes.isAlive(identity)))
      throw new FlintlockError("provider_failed", "QEMU ended at once");
    const state = await runState(directory, limit.signal);
    if (state === "running") return;
    if (state === PRELAUNCH && balloonMib > 0) {
      await startInflated(directory, { memoryMib, balloonMib }, limit.signal);
    } else {
      await pause(wait, limit.signal);
    }
  }
};

const NO_SUCH_FEATURE = /Property '[^']*-cpu\.([a-z0-9._-]+)' not found/;

/** The error that QEMU's last words stand for. */
const earlyDeath = async (words: string): Promise<FlintlockError> => {
  const cause = new Error(words.trim() === "" ? "it said nothing" : words.trim());
  const refusal = await forwardRefusal(words, cause);
  if (refusal !== undefined) return refusal;
  const [, feature] = words.match(NO_SUCH_FEATURE) ?? [];
  if (feature !== undefined) {
    const field = "cpu_config.features_to_enable";
    return new FlintlockError("unsupported", `${field}: QEMU knows no processor feature ${feature}`, {
      detail: { field },
      hint: "qemu-system-x86_64 -cpu help lists them",
    });
  }
  return new FlintlockError("provider_failed", "QEMU did not start", { hint: lastLine(words), cause });
};

/** Without the program's name, which says nothing. */
const lastLine = (words: string): string | undefined =>
  words
    .trim()
    .split("\n")
    .at(-1)
    ?.replace(/^\S*qemu-system-\S*: /, "")
    .slice(0, 300);
