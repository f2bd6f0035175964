/**
 * Unix sockets inside a VM's directory, however long its path is.
 *
 * A socket address holds 107 bytes (unix(7)), and a state directory may be deeper. The VMM gets names
 * relative to its working directory; we open the directory and go through `/proc/self/fd`.
 */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { FlintlockError } from "@flintlock/core";

/**
 * Connects to the socket `name` in `directory`; half-open, so that either side may end first.
 * @throws FlintlockError `unavailable` – no such socket, or nobody listens
 */
export const connectIn = async (directory: string, name: string, signal: AbortSignal): Promise<Socket> => {
  signal.throwIfAborted();
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY).catch((cause: unknown) => {
    throw unavailable(name, cause);
  });
  try {
    return await connected(`/proc/self/fd/${handle.fd}/${name}`, name, signal);
  } finally {
    await handle.close();
  }
};

const connected = async (path: string, name: string, signal: AbortSignal): Promise<Socket> =>
  await new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    // For its whole life: a VMM that dies before the caller listens must not take the daemon along. Whoever uses the
    // socket learns of its end from `close`.
    socket.on("error", () => undefined);
    const settle = (): void => {
      signal.removeEventListener("abort", onAbort);
      socket.off("error", onError);
      socket.off("connect", onConnect);
    };
    const onAbort = (): void => {
      settle();
      socket.destroy();
      reject(signal.reason);
    };
    const onError = (cause: Error): void => {
      settle();
      socket.destroy();
      reject(unavailable(name, cause));
    };
    const onConnect = (): void => {
      settle();
      resolve(socket);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("error", onError);
    socket.once("connect", onConnect);
  });

const unavailable = (name: string, cause: unknown): FlintlockError =>
  new FlintlockError("unavailable", `the VMM does not answer on ${name}`, { cause });
