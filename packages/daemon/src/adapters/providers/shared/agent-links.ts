/**
 * The host's sockets to guests' agents for a VMM that has one of its own: `<directory>/<uid>.sock` is a link to it, so
 * that the path is short and made of the uid alone. The VMM serves it, also while no daemon runs.
 */
import { lstat, mkdir, readlink, rename, rm, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import type { AgentSocket, MachineRef } from "@flintlock/core";
import { agentSocketPath, refuseLongSocketPath } from "./agent-socket-path.ts";

export interface AgentLinksOptions {
  readonly directory: string;
  /** The VMM's socket in a VM's directory */
  readonly socketName: string;
}

export const createAgentLinks = ({ directory, socketName }: AgentLinksOptions): AgentSocket => {
  const linkOf = (ref: MachineRef): string => agentSocketPath(directory, ref);
  const targetOf = (ref: MachineRef): string => join(ref.directory, socketName);

  return {
    async observe(ref) {
      const leadsTo = await readlink(linkOf(ref)).catch(() => undefined);
      if (leadsTo === undefined) return (await isThere(linkOf(ref))) ? "stale" : "absent";
      return leadsTo === targetOf(ref) && (await isSocket(leadsTo)) ? "open" : "stale";
    },

    async open(ref, signal) {
      const link = linkOf(ref);
      refuseLongSocketPath(link);
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
