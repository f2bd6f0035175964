import type { Client } from "@flintlock/client";
import { CliError } from "./cli-error.ts";
import { deadline } from "./deadline.ts";
import { resolveSocketPath } from "./default-address.ts";
import type { Globals } from "./globals.ts";
import type { Io } from "./io.ts";
import { probeSocket } from "./socket-probe.ts";

const ANNOUNCE_DEADLINE_MS = 5_000;

/** `--host`, else `FLINTLOCK_HOST`; undefined = the per-user daemon. */
export const explicitAddress = (io: Io, globals: Globals): string | undefined =>
  globals.host ?? (io.env["FLINTLOCK_HOST"] || undefined);

/**
 * A client of the daemon the user named, else of the per-user daemon, which is started when none answers.
 * @throws CliError `unavailable` – it does not start; `permission_denied` – the socket is somebody else's
 */
export const connectDaemon = async (io: Io, globals: Globals, signal: AbortSignal): Promise<Client> => {
  const named = explicitAddress(io, globals);
  const daemon = named === undefined ? await ensureDaemon(io, signal) : { address: named, pid: undefined };
  const { createClient } = await import("@flintlock/client");
  const client = createClient({ address: daemon.address });
  if (daemon.pid !== undefined && !globals.isQuiet) await announce(io, client, daemon.pid);
  return client;
};

interface Daemon {
  readonly address: string;
  /** Of the process that we started; another CLI's may be the one that lives */
  readonly pid: number | undefined;
}

const ensureDaemon = async (io: Io, signal: AbortSignal): Promise<Daemon> => {
  const path = resolveSocketPath(io.env);
  const address = `unix://${path}`;
  const state = await probeSocket(path);
  if (state === "answers") return { address, pid: undefined };
  if (state === "denied") {
    throw new CliError("permission_denied", `${path}: permission denied`, {
      hint: "use the user who owns the socket",
    });
  }
  const { findDaemonProgram, startDaemon } = await import("./daemon-start.ts");
  return { address, ...(await startDaemon(path, await findDaemonProgram(io.env), signal)) };
};

/** Says that it is ours that serves. When two start at once, the other may have won. */
const announce = async (io: Io, client: Client, pid: number): Promise<void> => {
  const info = await client.host.info({}, { signal: deadline(ANNOUNCE_DEADLINE_MS) }).catch(() => undefined);
  if (info?.pid !== pid) return;
  const path = client.address.slice("unix://".length);
  io.stderr.write(`started flintlockd (pid ${pid}, socket ${path})\n`);
};
