/** V8's own profiles, taken on demand. One at a time: they slow the daemon down, and a heap snapshot stops it for a while. */
import { Session } from "node:inspector/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { FlintlockError } from "@flintlock/core";

/** A heap snapshot is text of several times the heap's size; more than this is cut off with an error. */
const MAX_SNAPSHOT_BYTES = 1024 ** 3;
const SAMPLE_USEC = 1_000;

export interface Profiler {
  /** `.cpuprofile` of the next `seconds`. @throws FlintlockError `exhausted` – another profile is being taken */
  cpu(seconds: number, signal: AbortSignal): Promise<string>;
  /** Hands the `.heapsnapshot` over in pieces. @throws FlintlockError as `cpu` */
  heap(write: (piece: string) => void): Promise<void>;
}

export const createProfiler = (): Profiler => {
  let isBusy = false;
  const alone = async <T>(take: (session: Session) => Promise<T>): Promise<T> => {
    if (isBusy) throw new FlintlockError("exhausted", "another profile is being taken: try again later");
    isBusy = true;
    const session = new Session();
    session.connect();
    try {
      return await take(session);
    } finally {
      session.disconnect();
      isBusy = false;
    }
  };
  return {
    cpu: (seconds, signal) =>
      alone(async (session) => {
        await session.post("Profiler.enable");
        await session.post("Profiler.setSamplingInterval", { interval: SAMPLE_USEC });
        await session.post("Profiler.start");
        await sleep(seconds * 1000, undefined, { signal });
        const { profile } = await session.post("Profiler.stop");
        return JSON.stringify(profile);
      }),
    heap: (write) =>
      alone(async (session) => {
        let length = 0;
        session.on("HeapProfiler.addHeapSnapshotChunk", ({ params }) => {
          length += params.chunk.length;
          if (length <= MAX_SNAPSHOT_BYTES) write(params.chunk);
        });
        await session.post("HeapProfiler.takeHeapSnapshot", { reportProgress: false });
        if (length > MAX_SNAPSHOT_BYTES)
          throw new FlintlockError("exhausted", "the heap snapshot is too large");
      }),
  };
};
