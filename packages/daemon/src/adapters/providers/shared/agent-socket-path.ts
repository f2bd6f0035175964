/** Where programs of this host find the way to a guest's agent: a path that is made of the uid alone. */
import { join } from "node:path";
import { FlintlockError, type MachineRef } from "@flintlock/core";

/** `sun_path` of unix(7), less the final zero */
const MAX_PATH_BYTES = 107;

export const agentSocketPath = (directory: string, { uid }: MachineRef): string =>
  join(directory, `${uid}.sock`);

/** @throws FlintlockError `unsupported` – longer than a socket's path may be */
export const refuseLongSocketPath = (path: string): void => {
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return;
  throw new FlintlockError("unsupported", `the agent's socket ${path} would be longer than a socket may be`, {
    hint: `Give the daemon a shorter --state-dir: the kernel takes ${MAX_PATH_BYTES} bytes.`,
  });
};
