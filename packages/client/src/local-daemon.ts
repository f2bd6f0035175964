/** The daemon of this user, which is started when none answers. */
import { ClientError } from "./client-error.ts";
import { findDaemonProgram, startDaemon } from "./daemon-start.ts";
import { type Environment, resolveSocketPath } from "./default-address.ts";
import { probeSocket } from "./socket-probe.ts";

export interface LocalDaemon {
  readonly address: string;
  /** Of the process that we started; another program's may be the one that lives */
  readonly pid: number | undefined;
}

/** @throws ClientError `unavailable` – it does not start; `permission_denied` – the socket is somebody else's */
export const ensureLocalDaemon = async (
  env: Environment = process.env,
  signal: AbortSignal = new AbortController().signal,
): Promise<LocalDaemon> => {
  const path = resolveSocketPath(env);
  const address = `unix://${path}`;
  const state = await probeSocket(path);
  if (state === "answers") return { address, pid: undefined };
  if (state === "denied") {
    throw new ClientError("permission_denied", `${path}: permission denied`, {
      hint: "use the user who owns the socket",
    });
  }
  return { address, ...(await startDaemon(path, await findDaemonProgram(env), signal)) };
};
