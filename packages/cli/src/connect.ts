import type { Client, ConnectionOptions } from "@flintlock/client";
import { deadline } from "./deadline.ts";
import type { Globals } from "./globals.ts";
import type { Io } from "./io.ts";

const ANNOUNCE_DEADLINE_MS = 5_000;

/** `--host`, else `FLINTLOCK_HOST`; undefined = the per-user daemon. */
export const explicitAddress = (io: Io, globals: Globals): string | undefined =>
  globals.host ?? (io.env["FLINTLOCK_HOST"] || undefined);

/**
 * A client of the daemon the user named, else of the per-user daemon, which is started when none answers.
 * @throws ClientError `unavailable` – it does not start; `permission_denied` – the socket is somebody else's; `invalid_spec` –
 *   address, token or certificates make no sense
 */
export const connectDaemon = async (io: Io, globals: Globals, signal: AbortSignal): Promise<Client> => {
  const { createClient, ensureLocalDaemon } = await import("@flintlock/client");
  const named = explicitAddress(io, globals);
  const daemon =
    named === undefined ? await ensureLocalDaemon(io.env, signal) : { address: named, pid: undefined };
  const client = createClient({ ...connectionOf(globals), address: daemon.address }, io.env);
  if (daemon.pid !== undefined && !globals.isQuiet) await announce(io, client, daemon.pid);
  return client;
};

const connectionOf = ({ tokenFile, tls }: Globals): ConnectionOptions => ({ tokenFile, tls });

/** Says that it is ours that serves. When two start at once, the other may have won. */
const announce = async (io: Io, client: Client, pid: number): Promise<void> => {
  const info = await client.host.info({}, { signal: deadline(ANNOUNCE_DEADLINE_MS) }).catch(() => undefined);
  if (info?.pid !== pid) return;
  const path = client.address.slice("unix://".length);
  io.stderr.write(`started flintlockd (pid ${pid}, socket ${path})\n`);
};
