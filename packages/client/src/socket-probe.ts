import { connect } from "node:net";

/** `absent`: no socket, or one that a dead daemon left. */
export type SocketState = "answers" | "absent" | "denied";

const PROBE_DEADLINE_MS = 2000;

/** Whether somebody listens at `path`. @throws the operating system's error for anything unforeseen */
export const probeSocket = (path: string): Promise<SocketState> =>
  new Promise((resolve, reject) => {
    const socket = connect(path);
    const settle = (state: SocketState) => {
      socket.destroy();
      resolve(state);
    };
    // A full backlog means a busy daemon: it is there, and the call itself will wait for it.
    socket.setTimeout(PROBE_DEADLINE_MS, () => settle("answers"));
    socket.once("connect", () => settle("answers"));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ECONNREFUSED" || error.code === "ENOTDIR")
        settle("absent");
      else if (error.code === "EACCES" || error.code === "EPERM") settle("denied");
      else if (error.code === "EAGAIN") settle("answers");
      else reject(error);
    });
  });
