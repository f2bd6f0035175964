/**
 * The host's sockets to guests' agents for a VMM that has one of its own: `<directory>/<uid>.sock` is a link to it, so
 * that the path is short and made of the uid alone. The VMM serves it, also while no daemon runs.
 */
import { lstat, mkdir, readlink, rename, rm, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import { type AgentSocket, FlintlockError, type MachineRef } from "@flintlock/core";

/** `sun_path` of unix(7), less the final zero. What the link leads to may be longer. */
const MAX_PATH_BYTES = 107;

export interface AgentLinksOptions {
  readonly directory: string;
  /** The VMM's socket in a VM's directory */
  readonly socketName: string;
}

export const createAgentLinks = ({ directory, socketName }: AgentLinksOptions): AgentSocket => {
  const linkOf = ({ uid }: MachineRef): string => join(directory, `${uid}.sock`);
  const targetOf = (ref: MachineRef): string => join(ref.directory, socketName);

  return {
    async observe(ref) {
      const leadsTo = await readlink(linkOf(ref)).catch(() => undefined);
      if (leadsTo === undefined) return (await isThere(linkOf(ref))) ? "stale" : "absent";
      return leadsTo === targetOf(ref) && (await isSocket(leadsTo)) ? "open" : "stale";
    },

    async open(ref, signal) {
      const link = linkOf(ref);
      refuseLong(link);
      signal.throwIfAborted();
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const temporary = `${link}.tmp`;
      await rm(temporary, { force: true });
      await symlink(targetOf(ref), temporary);
      await rename(temporary, link);
      return link;
    },

    async close(ref) {
      await rm(linkOf(ref), { force: true });
    },
  };
};

const isThere = async (path: string): Promise<boolean> =>
  await lstat(path).then(
    () => true,
    () => false,
  );

const isSocket = async (path: string): Promise<boolean> =>
  await stat(path).then(
    (found) => found.isSocket(),
    () => false,
  );

const refuseLong = (path: string): void => {
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return;
  throw new FlintlockError("unsupported", `the agent's socket ${path} would be longer than a socket may be`, {
    hint: `Give the daemon a shorter --state-dir: the kernel takes ${MAX_PATH_BYTES} bytes.`,
  });
};
