/**
 * The console: a pseudo terminal that the VMM holds and whose other end the daemon reads.
 *
 * Of the modes that all releases have, this one alone keeps what the guest says while nobody reads (the last MiB, Cloud
 * Hypervisor's serial_buffer), takes input, and never makes the guest wait. A daemon that comes back reads on where the
 * last one stopped.
 *
 * INVARIANT: that a terminal is this VMM's is asked before it is opened and again before it is read: its number is handed
 * out anew, to anybody's login.
 */
import { join } from "node:path";
import { type ByteStream, FlintlockError, type Log, type MachineRef } from "@flintlock/core";
import { deadline } from "../shared/deadline.ts";
import { createKeyedLock } from "../shared/keyed-lock.ts";
import { openTerminal, type Terminal } from "./terminal.ts";
import { vmInfo } from "./vm-api.ts";

/** What every provider calls it */
export const CONSOLE_LOG = "console.log";
const TIMEOUT_MS = 5000;

export interface Consoles {
  /** From now on what the console of a VMM that runs says is logged, as far as one can. Idempotent; never throws */
  tend(ref: MachineRef): Promise<void>;
  /** @throws FlintlockError `failed_precondition` – another client has it; `unavailable` – no VMM */
  open(ref: MachineRef, signal: AbortSignal): Promise<ByteStream>;
  /** Lets go of a console whose VMM has ended. */
  drop(ref: MachineRef): void;
  close(): void;
}

export const createConsoles = (log: Log): Consoles => {
  const terminals = new Map<string, Terminal>();
  const lock = createKeyedLock();
  /** Being found */
  const tended = new Set<string>();
  const lifetime = new AbortController();

  const terminalOf = (ref: MachineRef, signal: AbortSignal): Promise<Terminal> =>
    lock.run(ref.uid, async () => {
      const known = terminals.get(ref.uid);
      if (known?.isOpen) return known;
      const found = await find(ref.directory, signal);
      if (lifetime.signal.aborted) found.close();
      terminals.set(ref.uid, found);
      return found;
    });

  const drop: Consoles["drop"] = ({ uid }) => {
    terminals.get(uid)?.close();
    terminals.delete(uid);
  };

  return {
    async tend(ref) {
      if (tended.has(ref.uid)) return;
      tended.add(ref.uid);
      using limit = deadline(lifetime.signal, TIMEOUT_MS, "finding the console");
      await terminalOf(ref, limit.signal)
        .catch((error: unknown) => {
          if (lifetime.signal.aborted) return;
          log.warn("the console is not logged", { uid: ref.uid, error: String(error) });
        })
        .finally(() => tended.delete(ref.uid));
    },
    open: async (ref, signal) => (await terminalOf(ref, signal)).attach(),
    drop,
    close() {
      lifetime.abort();
      for (const terminal of terminals.values()) terminal.close();
      terminals.clear();
    },
  };
};

const find = async (directory: string, signal: AbortSignal): Promise<Terminal> => {
  const path = (await vmInfo(directory, signal))?.terminal;
  if (path === undefined) throw none();
  const terminal = openTerminal(path, join(directory, CONSOLE_LOG));
  try {
    if ((await vmInfo(directory, signal))?.terminal !== path) throw none();
    return terminal;
  } catch (error) {
    terminal.close();
    throw error;
  }
};

const none = (): FlintlockError => new FlintlockError("unavailable", "the VMM has no console yet");
