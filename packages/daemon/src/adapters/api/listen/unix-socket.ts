/**
 * The daemon's Unix socket: mode 0600 in a directory that is made 0700. A socket file that nobody answers at is
 * left over from a daemon that died, and is replaced; anything else at the path is not ours to remove.
 */
import { chmodSync } from "node:fs";
import { lstat, mkdir, unlink } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { dirname } from "node:path";
import { FlintlockError } from "@flintlock/core";
import { type Listener, listen } from "./listener.ts";

/** `sun_path` of unix(7), less the final zero */
const MAX_PATH_BYTES = 107;
const PROBE_TIMEOUT_MS = 2_000;
const OWNER_ONLY = 0o600;
const OWNER_ONLY_DIRECTORY = 0o700;

/** @throws FlintlockError `failed_precondition` – a live daemon or a file of another kind is at `path` */
export const listenUnix = async (
  path: string,
  maxConnections: number,
  accept: (socket: Socket) => void,
  onFailed?: (error: Error) => void,
): Promise<Listener> => {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new FlintlockError("invalid_spec", `socket ${path}: longer than ${MAX_PATH_BYTES} bytes`, {
      hint: "Use a shorter path: the kernel allows no more for a Unix socket.",
    });
  }
  await mkdir(dirname(path), { recursive: true, mode: OWNER_ONLY_DIRECTORY });
  await removeStale(path);
  // At once after bind: no other client gets in between, whatever the umask
  const onBound = (): void => {
    try {
      chmodSync(path, OWNER_ONLY);
    } catch {
      // bind failed: its own error follows
    }
  };
  const hooks = onFailed === undefined ? { onBound } : { onBound, onFailed };
  return listen({ kind: "unix", path }, maxConnections, accept, hooks);
};

const removeStale = async (path: string): Promise<void> => {
  const stats = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (stats === undefined) return;
  if (!stats.isSocket()) {
    throw new FlintlockError(
      "failed_precondition",
      `socket ${path}: something that is not a socket is there`,
    );
  }
  if (await isAnswered(path)) {
    throw new FlintlockError("failed_precondition", `socket ${path}: another daemon listens there`, {
      hint: "Stop that daemon, or give this one another socket and state directory.",
    });
  }
  await unlink(path);
};

/** Only a refusal is proof of death; a full backlog or a timeout is not. */
const isAnswered = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path);
    const settle = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => settle(true));
    socket.once("connect", () => settle(true));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      settle(error.code !== "ECONNREFUSED" && error.code !== "ENOENT");
    });
  });
