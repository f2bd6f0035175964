/**
 * The host's sockets to guests' agents for a VMM that has none of its own: `<directory>/<uid>.sock`, mode 0600, with the
 * protocol of Firecracker's (docs/vsock.md of its repository, "Host-Initiated Connections").
 *
 * INVARIANTS
 * - A client holds one stream of its VM and what fits its buffers; it is read as fast as the guest takes it.
 * - A port that no agent serves is refused as Firecracker refuses it: the connection ends without a word.
 * - What a client started ends with its connection, of which the end of what it sends is one on the control port.
 */
import { setMaxListeners } from "node:events";
import { chmod, lstat, mkdir, unlink } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import {
  AGENT_PORT,
  type AgentSocket,
  type ByteStream,
  FlintlockError,
  type Log,
  type MachineRef,
  SSH_PORT,
  type Uid,
} from "@flintlock/core";
import { agentSocketPath, refuseLongSocketPath } from "./agent-socket-path.ts";
import { carry } from "./carry.ts";
import { readConnectLine } from "./connect-line.ts";
import { deadline } from "./deadline.ts";

/** As many as the guest's agent serves */
const MAX_CLIENTS = 64;
/** From the connection to `OK`; upstream's tool waits 10 s */
const HANDSHAKE_MS = 10_000;
/** Firecracker's numbers of host ports start here */
const FIRST_HOST_PORT = 2 ** 30;
const SERVED: ReadonlySet<number> = new Set([AGENT_PORT, SSH_PORT]);

export interface AgentSocketsOptions {
  readonly directory: string;
  readonly connect: (ref: MachineRef, port: number, signal: AbortSignal) => Promise<ByteStream>;
  readonly log: Log;
}

export interface AgentSockets extends AgentSocket {
  /** Closes all of them. */
  end(): Promise<void>;
}

interface Door {
  readonly server: Server;
  readonly clients: Set<Socket>;
}

export const createAgentSockets = ({ directory, connect, log }: AgentSocketsOptions): AgentSockets => {
  const doors = new Map<Uid, Door>();
  const lifetime = new AbortController();
  // One for each client that has not said yet where to; Node would take that for a leak.
  setMaxListeners(0, lifetime.signal);
  const pathOf = (ref: MachineRef): string => agentSocketPath(directory, ref);
  let lastHostPort = FIRST_HOST_PORT;

  const admit = async (client: Socket, ref: MachineRef): Promise<void> => {
    using limit = deadline(lifetime.signal, HANDSHAKE_MS, "the way to the guest's agent");
    const port = await readConnectLine(client, limit.signal);
    if (!SERVED.has(port)) throw new FlintlockError("not_found", `no agent serves port ${port}`);
    const stream = await connect(ref, port, limit.signal);
    lastHostPort += 1;
    client.write(`OK ${lastHostPort}\n`);
    limit[Symbol.dispose]();
    // COMPAT: to upstream's agent a host that half closes is gone, as one that was killed; the protocol has a frame for
    // the end of a command's input.
    const end = port === AGENT_PORT ? async () => await stream[Symbol.asyncDispose]() : stream.end;
    await carry(client, { ...stream, end });
  };

  const shut = async (uid: Uid): Promise<void> => {
    const door = doors.get(uid);
    if (door === undefined) return;
    doors.delete(uid);
    for (const client of door.clients) client.destroy();
    // Node removes the file as well.
    await new Promise<void>((resolve) => door.server.close(() => resolve()));
  };

  return {
    async observe(ref) {
      if ((await kindOf(pathOf(ref))) === "nothing") return "absent";
      return doors.has(ref.uid) ? "open" : "stale";
    },

    async open(ref, signal) {
      const path = pathOf(ref);
      refuseLongSocketPath(path);
      await shut(ref.uid);
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await removeStale(path);
      signal.throwIfAborted();
      const clients = new Set<Socket>();
      const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
        clients.add(client);
        client.on("error", () => undefined); // Whoever uses it learns of its end from `close`.
        client.once("close", () => clients.delete(client));
        admit(client, ref).catch((error: unknown) => {
          log.debug("a client of an agent's socket was refused or cut", {
            uid: ref.uid,
            error: String(error),
          });
          client.destroy();
        });
      });
      server.maxConnections = MAX_CLIENTS;
      await listening(server, path);
      await chmod(path, 0o600);
      doors.set(ref.uid, { server, clients });
      return path;
    },

    async close(ref) {
      await shut(ref.uid);
      await removeStale(pathOf(ref));
    },

    async end() {
      lifetime.abort(new FlintlockError("canceled", "the daemon is stopping"));
      for (const uid of [...doors.keys()]) await shut(uid);
    },
  };
};

const listening = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      // accept(2) that fails, for want of descriptors, is tried again by Node.
      server.on("error", () => undefined);
      resolve();
    });
  });

const kindOf = async (path: string): Promise<"nothing" | "socket" | "other"> => {
  try {
    return (await lstat(path)).isSocket() ? "socket" : "other";
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "nothing";
    throw error;
  }
};

/** One daemon uses a state directory: whose socket is not in `doors`, has died. */
const removeStale = async (path: string): Promise<void> => {
  const kind = await kindOf(path);
  if (kind === "nothing") return;
  if (kind === "socket") return await unlink(path);
  throw new FlintlockError("failed_precondition", `${path}: something that is not a socket is there`, {
    hint: "Move it away.",
  });
};
