/** One agent channel per VM, shared by all its streams, opened when first wanted and again after it was lost. */
import { FlintlockError, type MachineRef } from "@flintlock/core";
import { type GuestMux, openMux } from "../../guest/mux.ts";
import { unlessAborted } from "../shared/deadline.ts";
import { connectIn } from "../shared/directory-socket.ts";
import { AGENT_SOCKET } from "./args.ts";

export interface Channels {
  /** @throws FlintlockError `unavailable` – no VMM, or its guest's agent does not answer */
  channel(ref: MachineRef, signal: AbortSignal): Promise<GuestMux>;
  close(): Promise<void>;
}

export const createChannels = (): Channels => {
  const open = new Map<string, Promise<GuestMux>>();
  const lifetime = new AbortController();

  /** Belongs to no caller: whoever asked first may give up while others wait. */
  const connect = async (ref: MachineRef): Promise<GuestMux> => {
    const socket = await connectIn(ref.directory, AGENT_SOCKET, lifetime.signal);
    const mux = await openMux(socket, lifetime.signal);
    void mux.closed.then(() => forget(ref));
    return mux;
  };

  const share = (ref: MachineRef): Promise<GuestMux> => {
    const known = open.get(ref.uid);
    if (known !== undefined) return known;
    const pending = connect(ref);
    open.set(ref.uid, pending);
    pending.catch(() => forget(ref)); // Those who wait for it have the error.
    return pending;
  };
  const forget = (ref: MachineRef): void => void open.delete(ref.uid);

  return {
    async channel(ref, signal) {
      lifetime.signal.throwIfAborted();
      const known = open.get(ref.uid);
      if (known !== undefined) {
        const mux = await unlessAborted(known, signal);
        if (mux.isOpen) return mux;
      }
      return await unlessAborted(share(ref), signal);
    },
    async close() {
      lifetime.abort(new FlintlockError("canceled", "the daemon is stopping"));
      for (const pending of [...open.values()]) {
        await pending.then((mux) => mux[Symbol.asyncDispose]()).catch(() => {}); // It never opened.
      }
    },
  };
};
