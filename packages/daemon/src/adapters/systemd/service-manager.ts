/**
 * What systemd wants to hear from a service of `Type=notify` (sd_notify(3)): that it is ready, that it stops, and, with
 * `WatchdogSec=`, that it is alive.
 *
 * The socket takes datagrams, which Node cannot send on Unix sockets, so systemd's own `systemd-notify` does. It waits
 * until systemd has taken the message, and as root it speaks in our name (it needs CAP_SYS_ADMIN for that). Where it
 * may not, the message is its own: the unit says `NotifyAccess=all`.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Log } from "@flintlock/core";
import { type Addressee, watchdogPeriodMs } from "./notify-environment.ts";

const run = promisify(execFile);

export interface ServiceManager {
  /** The service has started; from now on systemd is told that it lives. Never rejects. */
  ready(status: string): Promise<void>;
  /** It stops. Never rejects. */
  stopping(): Promise<void>;
  close(): void;
}

const SEND_DEADLINE_MS = 5_000;
/** A line longer than this is of no use in `systemctl status`. */
const MAX_STATUS = 256;

/** One that nobody listens to, when we were not started by systemd. */
export const serviceManager = (addressee: Addressee | undefined, log: Log): ServiceManager =>
  addressee === undefined ? NOBODY : notifier(addressee, log);

const NOBODY: ServiceManager = { ready: async () => {}, stopping: async () => {}, close: () => {} };

const notifier = ({ socket, path, watchdogUsec }: Addressee, log: Log): ServiceManager => {
  let timer: NodeJS.Timeout | undefined;
  const send = async (...message: readonly string[]): Promise<void> => {
    try {
      const env = { LC_ALL: "C", PATH: path, NOTIFY_SOCKET: socket };
      await run("systemd-notify", [...message], { env, timeout: SEND_DEADLINE_MS, killSignal: "SIGKILL" });
    } catch (error) {
      log.error("systemd could not be told", { message: message[0], error });
    }
  };
  return {
    ready: async (status) => {
      const line = status.replaceAll(/[\r\n]+/g, " ").slice(0, MAX_STATUS);
      await send("READY=1", `STATUS=${line}`);
      const periodMs = watchdogPeriodMs(watchdogUsec);
      if (periodMs === undefined) return;
      log.info("systemd watches over us", { everyMs: periodMs });
      // A timer of the event loop: one that is stuck does not ring, and systemd starts another daemon.
      timer = setInterval(() => void send("WATCHDOG=1"), periodMs).unref();
    },
    stopping: async () => {
      clearInterval(timer);
      await send("STOPPING=1", "STATUS=stopping; microVMs keep running");
    },
    close: () => clearInterval(timer),
  };
};
