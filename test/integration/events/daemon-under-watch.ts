/** A simulated daemon that can be killed and started again on what it left, and what is asked of it meanwhile. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, ClientError, createClient, type events } from "@flintlock/client";
import { type DaemonProcess, startProcess } from "../../support/daemon-process.ts";

export interface WatchedDaemon extends AsyncDisposable {
  readonly client: Client;
  readonly socket: string;
  readonly pid: () => number;
  /** SIGKILL, and up again, on a clock that is so much later than it would be */
  killAndStart(laterMs?: number): Promise<void>;
  /** The daemon's wall clock, in milliseconds since 1970 */
  now(): number;
}

const SHIFTED_CLOCK = join(import.meta.dirname, "../../support/shifted-clock.mjs");

export const startWatched = async (args: readonly string[] = []): Promise<WatchedDaemon> => {
  const directory = await mkdtemp(join(tmpdir(), "flintlock-events-"));
  let aheadMs = 0;
  const start = async (): Promise<DaemonProcess> => {
    const env = { NODE_OPTIONS: `--import=${SHIFTED_CLOCK}`, CLOCK_AHEAD_MS: String(aheadMs) };
    const daemon = await startProcess({ args, directory, env });
    await daemon.says("flintlockd serves");
    return daemon;
  };
  let daemon = await start();
  const client = createClient({ address: `unix://${daemon.socket}` });
  return {
    client,
    socket: daemon.socket,
    pid: () => daemon.pid,
    now: () => Date.now() + aheadMs,
    killAndStart: async (laterMs = 0) => {
      daemon.child.kill("SIGKILL");
      await daemon.exit;
      aheadMs += laterMs;
      daemon = await start();
    },
    [Symbol.asyncDispose]: async () => {
      client.close();
      await daemon[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
};

/** Until the daemon has answered: while it is away the call is sent again, with the same request id. */
export const insist = async <T>(work: () => Promise<T>): Promise<T> => {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ClientError) || error.code !== "unavailable") throw error;
      await sleep(50);
    }
  }
};

/** A microVM is made, runs, and is deleted when it is told: five changes at least. */
export const live = async (
  { client }: WatchedDaemon,
  name: string,
  { labels = {}, isDeleted = true }: { labels?: Record<string, string>; isDeleted?: boolean } = {},
): Promise<string> => {
  const microvm = { id: name, namespace: "ns", labels, vcpu: 1, memoryInMb: 128 };
  const vm = await insist(() => client.microvms.create({ microvm, requestId: name }));
  const uid = vm.microvm?.spec?.uid ?? "";
  await insist(async () => {
    for await (const _ of client.microvms.wait({ target: uid, condition: "running" }));
  });
  if (isDeleted) await insist(() => client.microvms.delete({ target: uid }).catch(unlessGone));
  return uid;
};

const unlessGone = (error: unknown): void => {
  if (!(error instanceof ClientError) || error.code !== "not_found") throw error;
};

export const isChange = ({ type }: events.Event): boolean => type > 2;

/** Changes only, until `isEnough`. */
export const collect = async (
  watch: AsyncIterable<events.Event>,
  isEnough: (seen: readonly events.Event[]) => boolean,
): Promise<readonly events.Event[]> => {
  const seen: events.Event[] = [];
  for await (const event of watch) {
    if (isChange(event)) seen.push(event);
    if (isEnough(seen)) break;
  }
  return seen;
};

export const everything = async ({ client }: WatchedDaemon): Promise<readonly events.Event[]> =>
  collect(client.events.watch({ since: "beginning", untilNow: true }), () => false);

/** What makes two watchers have seen the same change. */
export const keyOf = ({ position, uid, version, type }: events.Event): string =>
  `${position} ${uid} ${version} ${type}`;
