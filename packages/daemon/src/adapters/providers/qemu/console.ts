/** The serial console: what the guest sees as ttyS0. QEMU serves one client, and keeps the history in a file. */
import type { ByteStream, MachineRef } from "@flintlock/core";
import { consoleTaken } from "../shared/console-taken.ts";
import { connectIn } from "../shared/directory-socket.ts";
import { socketStream } from "../shared/socket-stream.ts";
import { CONSOLE_SOCKET } from "./args.ts";

export interface Consoles {
  /**
   * @throws FlintlockError `failed_precondition` – another client has it; `unavailable` – no VMM
   */
  open(ref: MachineRef, signal: AbortSignal): Promise<ByteStream>;
}

export const createConsoles = (): Consoles => {
  const taken = new Set<string>();
  return {
    async open(ref, signal) {
      if (taken.has(ref.uid)) throw consoleTaken();
      taken.add(ref.uid);
      try {
        const socket = await connectIn(ref.directory, CONSOLE_SOCKET, signal);
        socket.once("close", () => taken.delete(ref.uid));
        if (socket.closed) taken.delete(ref.uid);
        return socketStream(socket, { name: "the console", halfCloses: false });
      } catch (error) {
        taken.delete(ref.uid);
        throw error;
      }
    },
  };
};
