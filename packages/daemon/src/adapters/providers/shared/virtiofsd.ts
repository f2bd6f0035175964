/**
 * virtiofsd: one for each filesystem of a machine, which serves one VMM and ends with it.
 *
 * When one dies the guest's mount is dead for good: a new one knows none of the inodes that the guest holds, so there is
 * no use in the VMM's connecting anew. The VMM is ended, and the VM's restart policy decides.
 */
import { access, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  FlintlockError,
  type Log,
  type Machine,
  type MachineFilesystem,
  type MachineRef,
} from "@flintlock/core";
import { readTail } from "./bounded-log.ts";
import { deadline, pause } from "./deadline.ts";
import { readStat } from "./proc.ts";
import { pathOf } from "./programs.ts";
import type { SharedRoots } from "./shared-directories.ts";
import { askDialect, type Dialect, type Share, virtiofsdArgs } from "./virtiofsd-command.ts";
import {
  isConfined,
  listens,
  serversOf,
  startServer,
  VIRTIOFS_LOG,
  virtiofsSocket,
} from "./virtiofsd-process.ts";
import type { AttendedVmm } from "./vmm-driver.ts";
import { createVmmProcesses, type VmmIdentity } from "./vmm-process.ts";

/** It serves within 0.1 s */
const START_TIMEOUT_MS = 15_000;
const WATCH_MS = 1000;
/** A VMM that ends takes its servers along; in this time both are seen to be gone */
const END_TOGETHER_MS = 2000;
const MAX_WORDS_BYTES = 2000;

export interface VirtiofsOptions {
  /** Names or paths, of which the first that is there is taken */
  readonly binaries: readonly string[];
  readonly roots: SharedRoots;
  readonly log: Log;
}

export interface Virtiofs {
  /** Whether this host shares anything at all: it has virtiofsd, roots, and we are root */
  readonly isAvailable: boolean;
  /** Why this directory is not shared so; undefined = it may be */
  refusal(path: string, isReadOnly: boolean): Promise<string | undefined>;
  /**
   * Starts what serves the machine's filesystems, then the VMM by `launch`; what served an earlier one is ended first.
   * When it throws there are no servers, and no VMM that had one.
   * @throws FlintlockError `permission_denied` – not below a root; `unsupported`; `provider_failed` – it did not start; or
   *   what `launch` threw
   */
  around(machine: Machine, signal: AbortSignal, launch: () => Promise<VmmIdentity>): Promise<VmmIdentity>;
  /** Ends the VMM when a server of its ends. Idempotent */
  attend(ref: MachineRef, vmm: AttendedVmm): Promise<void>;
  /** Ends them. Absent is success */
  stop(ref: MachineRef): Promise<void>;
  close(): void;
}

export const createVirtiofs = ({ binaries, roots, log }: VirtiofsOptions): Virtiofs => {
  const found = binaries.find((binary) => pathOf(binary) !== undefined);
  const binary = found ?? binaries[0] ?? "virtiofsd";
  const processes = createVmmProcesses();
  const attended = new Set<string>();
  const lifetime = new AbortController();
  let known: Dialect | undefined;
  const dialect = async (signal: AbortSignal): Promise<Dialect> => {
    known ??= await askDialect(binary, signal);
    return known;
  };
  const commandFor = async (share: Share, signal: AbortSignal) => {
    const spoken = await dialect(signal);
    return { kind: spoken.kind, args: virtiofsdArgs(share, spoken) };
  };

  const stop: Virtiofs["stop"] = async (ref) => {
    if (!(await hasRun(ref))) return;
    const signal = new AbortController().signal;
    for (const identity of await serversOf(ref.uid)) await processes.terminate(identity, 0, signal);
  };

  const serve = async (machine: Machine, index: number, signal: AbortSignal): Promise<Serving> => {
    const { hostPath, isReadOnly, volumeId } = filesystemsOf(machine)[index] as MachineFilesystem;
    const socket = virtiofsSocket(index);
    const { handle, realPath } = await roots.open(hostPath);
    try {
      await rm(join(machine.directory, socket), { force: true });
      const { kind, args } = await commandFor({ socket, path: realPath, isReadOnly }, signal);
      const server = startServer({ binary, args, uid: machine.uid, index, directory: machine.directory });
      const limited = async (what: (signal: AbortSignal) => Promise<void>): Promise<void> => {
        using limit = deadline(signal, START_TIMEOUT_MS, `virtiofsd for volume ${volumeId}`);
        await what(limit.signal);
      };
      await limited((it) => listens(server, join(machine.directory, socket), it));
      const confirm = (): Promise<void> => limited((it) => isConfined(server, handle, it));
      // The sooner the better; the one in C waits for its VMM.
      if (kind === "rust") await confirm();
      return { confirm, close: () => handle.close() };
    } catch (error) {
      await handle.close();
      throw await withWords(error, machine.directory, volumeId);
    }
  };

  const watch = async (ref: MachineRef, vmm: AttendedVmm): Promise<void> => {
    const servers = await serversOf(ref.uid);
    while (await vmm.isAlive()) {
      const now = await Promise.all(servers.map(({ pid }) => readStat(pid)));
      if (now.some((stat, index) => stat?.startTime !== servers[index]?.startTime)) {
        await pause(END_TOGETHER_MS, lifetime.signal);
        if (!(await vmm.isAlive())) return;
        log.error("virtiofsd has ended, and with it the guest's mount: its VMM is ended", { uid: ref.uid });
        await vmm.end("virtiofsd ended");
        return;
      }
      await pause(WATCH_MS, lifetime.signal);
    }
  };

  return {
    isAvailable: roots.roots.length > 0 && process.geteuid?.() === 0 && found !== undefined,

    async refusal(path, isReadOnly) {
      const problem = await roots.refusal(path);
      if (problem !== undefined || !isReadOnly) return problem;
      const { canBeReadOnly } = await dialect(lifetime.signal);
      return canBeReadOnly ? undefined : "cannot be shared read-only by this host's virtiofsd";
    },

    async around(machine, signal, launch) {
      await stop(machine);
      const serving: Serving[] = [];
      try {
        for (const index of filesystemsOf(machine).keys()) serving.push(await serve(machine, index, signal));
        const vmm = await launch();
        try {
          for (const { confirm } of serving) await confirm();
        } catch (error) {
          await processes.terminate(vmm, 0, new AbortController().signal);
          throw error;
        }
        return vmm;
      } catch (error) {
        await stop(machine);
        throw error;
      } finally {
        for (const { close } of serving) await close();
      }
    },

    async attend(ref, vmm) {
      if (attended.has(ref.uid) || lifetime.signal.aborted || !(await hasRun(ref))) return;
      attended.add(ref.uid);
      watch(ref, vmm)
        .catch((error: unknown) => {
          if (lifetime.signal.aborted) return;
          log.warn("virtiofsd is not watched any more", { uid: ref.uid, error: String(error) });
        })
        .finally(() => attended.delete(ref.uid));
    },

    stop,
    close: () => lifetime.abort(),
  };
};

/** `launch`, with what serves the machine's filesystems around it. @throws FlintlockError `unsupported` – nothing does */
export const launchWith = async (
  virtiofs: Virtiofs | undefined,
  machine: Machine,
  signal: AbortSignal,
  launch: () => Promise<VmmIdentity>,
): Promise<VmmIdentity> => {
  if (virtiofs !== undefined) return await virtiofs.around(machine, signal, launch);
  if (filesystemsOf(machine).length === 0) return await launch();
  throw new FlintlockError("unsupported", "virtiofs: this host shares no directory", {
    hint: "The operator names directories to share with --virtiofs-root.",
  });
};

interface Serving {
  /** Resolves when it can reach nothing but its directory */
  readonly confirm: () => Promise<void>;
  readonly close: () => Promise<void>;
}

const filesystemsOf = ({ filesystems = [] }: Machine): readonly MachineFilesystem[] => filesystems;

const withWords = async (error: unknown, directory: string, volumeId: string): Promise<FlintlockError> => {
  if (error instanceof FlintlockError) return error;
  const words = (await readTail(join(directory, VIRTIOFS_LOG), MAX_WORDS_BYTES)).trim();
  return new FlintlockError("provider_failed", `virtiofsd for volume ${volumeId} did not start`, {
    hint: words.split("\n").at(-1)?.slice(0, 300),
    cause: words === "" ? error : new Error(words),
  });
};

/** A machine without filesystems is not looked for in all of `/proc`. */
const hasRun = async ({ directory }: MachineRef): Promise<boolean> =>
  await access(join(directory, VIRTIOFS_LOG)).then(
    () => true,
    () => false,
  );
