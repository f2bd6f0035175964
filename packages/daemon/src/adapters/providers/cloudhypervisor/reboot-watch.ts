/**
 * A guest that restarts, or panics, is begun anew by Cloud Hypervisor within the same process, and no option of all
 * releases changes that. For us it has ended, as under every other VMM: whether it starts again is for its restart policy,
 * and what it reported belongs to one run. So the VMM's events are read (docs/api.md of Cloud Hypervisor, event monitor).
 */
import { join } from "node:path";
import type { Log, MachineRef } from "@flintlock/core";
import { readTail } from "../shared/bounded-log.ts";
import { watchFile } from "../shared/file-changes.ts";
import type { AttendedVmm } from "../shared/vmm-driver.ts";

/** Appended to by the VMM: one JSON object after the other, some for each device at each boot */
export const EVENTS_LOG = "cloudhypervisor.events";
export const EVENTS_BOUNDS = { maxBytes: 1024 * 1024, keepBytes: 64 * 1024 };
/** For a host without inotify, and to notice an end without a word */
const POLL_MS = 5000;

export interface RebootWatch {
  /** Ends the VMM when its guest restarts. Idempotent */
  add(ref: MachineRef, vmm: AttendedVmm): void;
  close(): void;
}

export const createRebootWatch = (log: Log): RebootWatch => {
  const watched = new Set<string>();
  const lifetime = new AbortController();

  const watch = async ({ uid, directory }: MachineRef, vmm: AttendedVmm): Promise<void> => {
    using changes = watchFile(directory, EVENTS_LOG);
    while (await vmm.isAlive()) {
      if (hasRebooted(await readTail(join(directory, EVENTS_LOG), EVENTS_BOUNDS.keepBytes))) {
        log.info("the guest restarts: its VMM is ended", { uid });
        await vmm.end("guest restarted");
        return;
      }
      await changes.next(POLL_MS, lifetime.signal);
    }
  };

  return {
    add(ref, vmm) {
      if (watched.has(ref.uid) || lifetime.signal.aborted) return;
      watched.add(ref.uid);
      watch(ref, vmm)
        .catch((error: unknown) => {
          if (lifetime.signal.aborted) return;
          log.warn("restarts of the guest are not seen any more", { uid: ref.uid, error: String(error) });
        })
        .finally(() => watched.delete(ref.uid));
    },
    close: () => lifetime.abort(),
  };
};

/** Of the VMM's own words only: no name that a guest chooses is in them. */
export const hasRebooted = (events: string): boolean =>
  /"source":\s*"vm",\s*"event":\s*"rebooting"/.test(events);
