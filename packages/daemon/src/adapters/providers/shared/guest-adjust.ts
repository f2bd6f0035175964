/**
 * What a guest has to do itself with what it was given: grow its file systems, take up processors and memory. Our own
 * program does it, which is in every guest of ours whatever its image (guest/init/adjust.c).
 */
import { FlintlockError, type Machine, type OpenGuestPort } from "@flintlock/core";
import { runInGuest } from "../../guest/guest-run.ts";
import { oneLine } from "../../guest/guest-words.ts";
import { deadline } from "./deadline.ts";
import { diskName } from "./disk-name.ts";
import { readGuestStatus } from "./guest-status.ts";
import type { VmmDriver } from "./vmm-driver.ts";

/** A file system that grows by a terabyte writes tables of some gigabytes where the VMM cannot write zeros */
const TIMEOUT_MS = 60_000;
const MAX_WORDS = 300;
const MIB = 1024 * 1024;

/** File systems that are to be as large as their disks. */
export const growthArgs = ({ disks, guest, diskMib = {} }: Machine): readonly string[] =>
  disks.flatMap(({ volumeId }, index) => {
    const mib = diskMib[volumeId];
    const path =
      index === 0 ? "/" : guest?.mounts.find(({ device }) => device === `/dev/${diskName(index)}`)?.path;
    return mib === undefined || path === undefined ? [] : ["grow", path, String(mib * MIB)];
  });

/**
 * Runs it, where the guest is ours and has an agent; of another the image's own programs do it, if any.
 * @throws FlintlockError `provider_failed` – the guest says why it could not
 */
export const adjustGuest = async (
  machine: Machine,
  args: readonly string[],
  { connect }: Pick<VmmDriver, "connect">,
  signal: AbortSignal,
): Promise<void> => {
  const isOurs = machine.guest !== undefined && (await readGuestStatus(machine.directory)).isReady;
  if (!isOurs || args.length === 0) return;
  using limit = deadline(signal, TIMEOUT_MS, "the guest's part of the change");
  const open: OpenGuestPort = (port, opening) => connect(machine, port, opening);
  const run = await runInGuest(open, { ...OURSELVES, args }, limit.signal).catch((error: unknown) => {
    limit.signal.throwIfAborted();
    throw error;
  });
  if (run.code === 0) return;
  const said = oneLine(run.error ?? `${run.stderr}${run.stdout}`, MAX_WORDS);
  throw new FlintlockError(
    "provider_failed",
    `the guest did not take up the change: ${said || `exit ${run.code}`}`,
  );
};

/** The agent's own program, which the image does not have. */
const OURSELVES = {
  cmd: "/proc/self/exe",
  user: "0",
  cwd: "/",
  timeoutSeconds: TIMEOUT_MS / 1000,
} as const;
