/** From a machine to a Cloud Hypervisor that executes it, or to the reason why not. */
import { type FileHandle, open, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { FlintlockError, type GuestConfig, type Machine, type Room } from "@flintlock/core";
import { readTail } from "../shared/bounded-log.ts";
import { deadline, pause } from "../shared/deadline.ts";
import { diskName } from "../shared/disk-name.ts";
import { sizeOf } from "../shared/file-bytes.ts";
import { forgetGuestExit } from "../shared/guest-exit.ts";
import { clearGuestStatus, clearStatusDisk } from "../shared/guest-status.ts";
import { GUEST_INITRD, writeGuestInitrd } from "../shared/initrd.ts";
import { openMacvtap } from "../shared/macvtap-device.ts";
import { writeJson, writeText } from "../shared/vm-files.ts";
import { VMM_LOG, type VmmCommand, type VmmIdentity, type VmmProcesses } from "../shared/vmm-process.ts";
import { API_SOCKET, BARE_ARGS, macvtapsOf, vmArgs, vmmMarker } from "./args.ts";
import { CONSOLE_LOG, type Consoles } from "./console.ts";
import { EVENTS_LOG } from "./reboot-watch.ts";
import type { Version } from "./version.ts";
import { bootVm, createVm, type VmInfo, vmInfo } from "./vm-api.ts";
import { disksOf, type VmConfig, VSOCK, vmConfig } from "./vm-config.ts";

/** The VMM answers within 0.1 s; many of them at once on a busy host take longer */
const LAUNCH_TIMEOUT_MS = 30_000;
const MAX_WORDS_BYTES = 4096;
/** What the VM was made of: a snapshot of it needs the same again */
export const VM_CONFIG = "vm.json";

export interface LaunchParts {
  readonly binary: string;
  readonly version: Version;
  readonly processes: VmmProcesses;
  readonly consoles: Consoles;
  readonly room: Room;
}

/** Starts the VMM in a directory whose earlier one, if any, has ended. Resolves when the guest executes. */
export const launch = async (
  machine: Machine,
  parts: LaunchParts,
  signal: AbortSignal,
): Promise<VmmIdentity> => {
  const { directory, guest } = machine;
  const initrd = guest === undefined ? machine.initrdPath : join(directory, GUEST_INITRD);
  const config = vmConfig(machine, initrd, parts.room);
  parts.consoles.drop(machine);
  await clearTraces(machine);
  if (guest !== undefined) await writeGuestInitrd(machine, guestOf(machine, guest));
  await writeJson(join(directory, VM_CONFIG), config);
  const logStart = await sizeOf(join(directory, VMM_LOG));
  signal.throwIfAborted();
  const identity = await spawn(machine, config, parts);
  try {
    using limit = deadline(signal, LAUNCH_TIMEOUT_MS, "starting Cloud Hypervisor");
    await executes(machine, config, identity, parts, limit.signal);
    await writeNames(directory, identity);
    return identity;
  } catch (error) {
    if (await parts.processes.isAlive(identity)) {
      // Abandoned, it is found by the next start; hung, it would be found hanging.
      if (!signal.aborted) await parts.processes.terminate(identity, 0, signal);
      throw error;
    }
    throw earlyDeath(await readTail(join(directory, VMM_LOG), MAX_WORDS_BYTES, logStart), error);
  }
};

/** Its agent is on vsock, and its status disk the last one. */
const guestOf = (machine: Machine, guest: GuestConfig): GuestConfig => ({
  ...guest,
  agent: "vsock",
  status: `/dev/${diskName(disksOf(machine).length - 1)}`,
});

/** What an earlier run left would be taken for this one's, and a socket file keeps the VMM from listening. */
const clearTraces = async ({ directory, guest }: Machine): Promise<void> => {
  await forgetGuestExit(directory);
  await (guest === undefined ? clearGuestStatus(directory) : clearStatusDisk(directory));
  for (const name of [API_SOCKET, VSOCK, EVENTS_LOG, GUEST_INITRD, PID_FILE]) {
    await rm(join(directory, name), { force: true });
  }
};

const spawn = async (machine: Machine, config: VmConfig, parts: LaunchParts): Promise<VmmIdentity> => {
  const macvtaps = macvtapsOf(machine.interfaces);
  const command: Omit<VmmCommand, "descriptors"> = {
    binary: parts.binary,
    argv0: vmmMarker(machine.uid),
    args: macvtaps.length === 0 ? BARE_ARGS : vmArgs(config, parts.version),
    directory: machine.directory,
  };
  const handles: FileHandle[] = [];
  try {
    handles.push(await open(join(machine.directory, EVENTS_LOG), "a", 0o600));
    for (const name of macvtaps) handles.push(await openMacvtap(name));
    return await parts.processes.spawn({ ...command, descriptors: handles.map(({ fd }) => fd) });
  } finally {
    // The VMM has inherited them.
    for (const handle of handles) await handle.close();
  }
};

/** Resolves when the VMM says "Running". One that ends first, or hangs, throws. */
const executes = async (
  machine: Machine,
  config: VmConfig,
  identity: VmmIdentity,
  { processes, consoles }: LaunchParts,
  signal: AbortSignal,
): Promise<void> => {
  const { directory } = machine;
  const isTold = macvtapsOf(machine.interfaces).length === 0;
  for (let wait = 5; ; wait = Math.min(wait * 2, 50)) {
    if (!(await processes.isAlive(identity))) throw new Error("it ended at once");
    const said = await whatItSays(directory, signal);
    if (typeof said === "object" && said.state === "Running") {
      await consoles.tend(machine);
      return;
    }
    if (said === "no VM yet" && isTold) {
      await createVm(directory, config, signal);
      // Before its first word.
      await consoles.tend(machine);
      await bootVm(directory, signal);
      continue;
    }
    await pause(wait, signal);
  }
};

const whatItSays = async (
  directory: string,
  signal: AbortSignal,
): Promise<VmInfo | "nothing" | "no VM yet"> => {
  try {
    return (await vmInfo(directory, signal)) ?? "no VM yet";
  } catch (error) {
    // It does not listen yet.
    if (error instanceof FlintlockError && error.code === "unavailable") return "nothing";
    throw error;
  }
};

/** COMPAT: upstream's */
const PID_FILE = "cloudhypervisor.pid";
/** COMPAT: by the names that upstream has for them, for the eyes of operators and their tools. */
const ALIASES = {
  "cloudhypervisor.stdout": CONSOLE_LOG,
  "cloudhypervisor.stderr": VMM_LOG,
  "cloudhypervisor.log": VMM_LOG,
} as const;

const writeNames = async (directory: string, { pid }: VmmIdentity): Promise<void> => {
  await writeText(join(directory, PID_FILE), String(pid));
  for (const [alias, name] of Object.entries(ALIASES)) {
    await rm(join(directory, alias), { force: true });
    await symlink(name, join(directory, alias));
  }
};

/** The error that its last words stand for. */
const earlyDeath = (words: string, cause: unknown): FlintlockError =>
  new FlintlockError("provider_failed", "Cloud Hypervisor did not start", {
    hint: words.trim().split("\n").at(-1)?.slice(0, 300),
    cause: words.trim() === "" ? cause : new Error(words.trim()),
  });
