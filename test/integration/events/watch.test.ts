/** Watching a real daemon on a real LevelDB: broken connections, kill -9, and watchers that come too late. */
import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, ClientError, events, ext } from "@flintlock/client";
import { describe, expect, test } from "vitest";
import { CLI, runProgram } from "../../support/daemon.ts";
import {
  collect,
  everything,
  insist,
  isChange,
  keyOf,
  live,
  startWatched,
  type WatchedDaemon,
} from "./daemon-under-watch.ts";

const LAST = "the-last";
const hasLast = (seen: readonly events.Event[]): boolean => {
  const event = seen.at(-1);
  return event?.name === LAST && event.type === events.Event_Type.RUNNING;
};

/** Leaves after a few events, again and again, and comes back after a while with the position it has. */
const restless = async (client: Client, seed: number): Promise<readonly events.Event[]> => {
  const seen: events.Event[] = [];
  let since = "beginning";
  while (!hasLast(seen)) {
    const stay = 1 + ((seed * 7 + seen.length * 13) % 40);
    const before = seen.length;
    const leave = AbortSignal.timeout(300 + seed * 50);
    try {
      for await (const event of client.events.watch({ since }, { signal: leave })) {
        if (event.position !== undefined) since = String(event.position);
        if (isChange(event)) seen.push(event);
        if (hasLast(seen) || seen.length - before >= stay) break;
      }
    } catch (error) {
      if (!(error instanceof ClientError) || !["deadline_exceeded", "unavailable"].includes(error.code))
        throw error;
    }
    await sleep(seed * 20);
  }
  return seen;
};

interface Absentee {
  readonly left: Promise<void>;
  readonly seen: Promise<readonly events.Event[]>;
}

/**
 * Reads some, is away for `absentMs` on the daemon's clock, and goes on from the position it has. The minute and the hour
 * are scripted: a daemon that is started again finds that they have passed.
 */
const absentee = ({ client, now }: WatchedDaemon, absentMs: number): Absentee => {
  let since = "";
  const before: events.Event[] = [];
  const reading = async (): Promise<void> => {
    for await (const event of client.events.watch({ since: "beginning" })) {
      if (event.position !== undefined) since = String(event.position);
      if (isChange(event)) before.push(event);
      if (before.length === 30) return;
    }
  };
  const left = reading();
  const seen = async (): Promise<readonly events.Event[]> => {
    await left;
    for (const leftAt = now(); now() - leftAt < absentMs; ) await sleep(20);
    // The daemon may be away when the watcher comes back; from then on the client looks after itself.
    return [...before, ...(await insist(() => collect(client.events.watch({ since }), hasLast)))];
  };
  return { left, seen: seen() };
};

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** How many microVMs are begun when the daemon is killed, and how much later it is when it comes back */
const KILLS = [
  [20, 0],
  [40, MINUTE],
  [60, HOUR],
  [80, 0],
  [100, -HOUR],
] as const;
const MICROVMS = 120;

test("each of ten watchers sees every change once and in order, through kill -9 and their own absences", async () => {
  await using daemon = await startWatched();
  const { client } = daemon;
  const steady = Array.from({ length: 4 }, () =>
    collect(client.events.watch({ since: "beginning" }), hasLast),
  );
  const leaving = Array.from({ length: 3 }, (_, seed) => restless(client, seed));
  const absent = [SECOND, MINUTE, HOUR].map((ms) => absentee(daemon, ms));
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < MICROVMS) {
      const index = next++;
      await live(daemon, `vm-${index}`, { isDeleted: index % 5 !== 0 });
    }
  };
  const work = Promise.all(Array.from({ length: 8 }, worker));
  for (const [share, laterMs] of KILLS) {
    while (next < share) await sleep(5);
    if (laterMs > 0) await Promise.all(absent.map(({ left }) => left));
    await daemon.killAndStart(laterMs);
  }
  await work;
  await live(daemon, LAST, { isDeleted: false });
  const all = await everything(daemon);
  const end = all.findIndex(({ name, type }) => name === LAST && type === events.Event_Type.RUNNING);
  const expected = all.slice(0, end + 1).map(keyOf);
  expect(expected.length).toBeGreaterThan(500);
  const watchers = await Promise.all([...steady, ...leaving, ...absent.map(({ seen }) => seen)]);
  expect(watchers).toHaveLength(10);
  for (const seen of watchers) expect(seen.map(keyOf)).toEqual(expected);
  checkLives(all, (await client.microvms.list({})).microvms);
});

/** Positions rise; each microVM's versions have no gap, from its creation to what the list says, or to its end. */
const checkLives = (all: readonly events.Event[], present: readonly ext.MicroVM[]): void => {
  const positions = all.map(({ position }) => Number(position));
  expect(positions).toEqual([...new Set(positions)].sort((a, b) => a - b));
  const lives = new Map<string, events.Event[]>();
  for (const event of all) lives.set(event.uid, [...(lives.get(event.uid) ?? []), event]);
  expect(lives.size).toBe(MICROVMS + 1);
  const versions = new Map(present.map(({ microvm }) => [microvm?.spec?.uid, microvm?.version]));
  for (const [uid, life] of lives) {
    expect(life.map(({ version }) => version)).toEqual(life.map((_, index) => index + 1));
    expect(life[0]?.type).toBe(events.Event_Type.CREATED);
    const states = life.map(({ state }) => state);
    expect(life.map(({ stateBefore }) => stateBefore)).toEqual([
      ext.State.STATE_UNSPECIFIED,
      ...states.slice(0, -1),
    ]);
    const last = life.at(-1);
    if (versions.has(uid)) expect(last?.version).toBe(versions.get(uid));
    else expect(last?.type).toBe(events.Event_Type.DELETED);
  }
};

/** An event of 5 KB */
const LONG = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`label-${i}`, "x".repeat(63)]));

describe("a watcher that comes too late", () => {
  const tooOld = async (daemon: WatchedDaemon): Promise<void> => {
    for (let i = 0; i < 4; i++) {
      await Promise.all(Array.from({ length: 8 }, (_, j) => live(daemon, `vm-${i}-${j}`, { labels: LONG })));
    }
  };

  test("is told, and from where it can go on, by gRPC and by HTTP alike; also after a restart", async () => {
    await using daemon = await startWatched(["--kept-events", "100"]);
    const { client, socket } = daemon;
    await tooOld(daemon);
    await daemon.killAndStart();
    const late = collect(client.events.watch({ since: "3" }), () => false);
    const error = await late.then(
      () => undefined,
      (thrown: unknown) => thrown as ClientError,
    );
    expect(error).toMatchObject({
      code: "out_of_range",
      hint: expect.stringContaining("list the microVMs anew"),
    });
    const first = error?.detail["first_position"] ?? "";
    const kept = await collect(client.events.watch({ since: first, untilNow: true }), () => false);
    expect(kept.length).toBeGreaterThanOrEqual(90);
    expect(kept.map(keyOf)).toEqual((await everything(daemon)).map(keyOf));
    const answer = await sse(socket, { path: "/v1/events?since=3" }).head;
    expect(answer).toMatch(/^HTTP\/1.1 410 Gone/);
    const flintlock = (...args: readonly string[]) =>
      runProgram(process.execPath, [CLI, "-H", `unix://${socket}`, "events", ...args]);
    const refused = await flintlock("--since", "3");
    expect(refused).toMatchObject({ code: 4, stdout: "" });
    expect(refused.stderr).toMatch(
      /^error\[out_of_range\]: the events after position 3 are no longer all kept/,
    );
    expect(refused.stderr).toContain("list the microVMs anew");
    const rest = await flintlock("--since", first, "--json");
    expect(rest).toMatchObject({ code: 0, stderr: "" });
    expect(rest.stdout.trim().split("\n")).toHaveLength(kept.length);
  });

  test("in the middle of its reading is told too, and sees no gap", async () => {
    await using daemon = await startWatched(["--kept-events", "100"]);
    const path = "/v1/events?since=beginning&withMicrovms=true";
    const watch = sse(daemon.socket, { path, isStalled: true });
    await watch.head;
    await tooOld(daemon);
    watch.socket.resume();
    await until(() => watch.text().includes("event: status\ndata: "));
    await until(() => watch.text().endsWith("0\r\n\r\n"));
    expect(watch.text()).toContain('"code":11,"message":"the events after position ');
    const ids = [...watch.text().matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
    expect(ids.length).toBeLessThan(150);
    expect(ids).toEqual(Array.from({ length: ids.length }, (_, index) => index));
  });
});

interface Sse {
  readonly socket: Socket;
  readonly head: Promise<string>;
  text(): string;
}

const sse = (
  path: string,
  options: { path: string; headers?: readonly string[]; isStalled?: boolean },
): Sse => {
  const socket = connect(path);
  let text = "";
  let hasPaused = false;
  const head = new Promise<string>((resolve) => {
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes("\r\n\r\n")) resolve(text);
      if (options.isStalled && !hasPaused) socket.pause();
      hasPaused = true;
    });
    socket.on("close", () => resolve(text));
  });
  socket.on("error", () => undefined);
  const headers = ["Host: x", "Accept: text/event-stream", ...(options.headers ?? [])];
  socket.write(`GET ${options.path} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`);
  return { socket, head, text: () => text };
};

const until = async (isTrue: () => boolean): Promise<void> => {
  for (const deadline = Date.now() + 20_000; !isTrue(); await sleep(10)) {
    if (Date.now() > deadline) throw new Error("it never is");
  }
};

/** `id TYPE name` of each event; none for those without. */
const told = (text: string): readonly string[] =>
  [...text.matchAll(/(?:id: (\d+)\n)?data: (.*)\n/g)].map(([, id = "-", data = "{}"]) => {
    const { type, name } = JSON.parse(data) as { type: string; name: string };
    return `${id} ${type} ${name}`.trim();
  });

test("server-sent events go on after the last id, without the snapshot they began with", async () => {
  await using daemon = await startWatched();
  await live(daemon, "web", { isDeleted: false });
  const path = "/v1/events?snapshot=true&namespace=ns";
  const first = sse(daemon.socket, { path });
  await until(() => told(first.text()).length === 2);
  expect(first.text()).toMatch(/^HTTP\/1.1 200 OK\r\n/);
  expect(first.text()).toContain("Content-Type: text/event-stream\r\n");
  expect(first.text()).toContain("\nretry: 1000\n\n");
  expect(told(first.text())).toEqual(["- PRESENT web", "3 BOOKMARK"]);
  await live(daemon, "db", { isDeleted: false });
  await until(() => told(first.text()).length === 5);
  first.socket.destroy();
  await daemon.killAndStart();
  const uid = await live(daemon, "db2", { isDeleted: false });
  const second = sse(daemon.socket, { path, headers: ["Last-Event-ID: 5"] });
  await until(() => second.text().includes(`"RUNNING","at"`) && second.text().includes(uid));
  second.socket.destroy();
  expect(told(second.text()).slice(0, 2)).toEqual(["5 BOOKMARK", "6 RUNNING db"]);
  expect(told(second.text()).join()).not.toContain("PRESENT");
  const bad = await sse(daemon.socket, { path, headers: ["Last-Event-ID: x"] }).head;
  expect(bad).toMatch(/^HTTP\/1.1 400 /);
});

test("a daemon that stops does not wait for its watchers; they go on at the next one", async () => {
  await using daemon = await startWatched();
  const seen = collect(daemon.client.events.watch({ since: "beginning" }), hasLast);
  await live(daemon, "web");
  await sleep(100);
  process.kill(daemon.pid(), "SIGTERM");
  const began = Date.now();
  await until(() => !isAlive(daemon.pid()));
  expect(Date.now() - began).toBeLessThan(3_000);
  await daemon.killAndStart();
  await live(daemon, LAST, { isDeleted: false });
  expect((await seen).map(keyOf)).toEqual((await everything(daemon)).map(keyOf));
});

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** As a process, in MiB. */
const residentMib = async (pid: number): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(status.match(/VmRSS:\s+(\d+)/)?.[1]) / 1024;
};

test("watchers that take nothing cost no memory, however much happens", async () => {
  await using daemon = await startWatched();
  const load = async (prefix: string): Promise<void> => {
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < 100) await live(daemon, `${prefix}-${next++}`, { labels: LONG });
    };
    await Promise.all(Array.from({ length: 8 }, worker));
  };
  await load("warm");
  const before = await residentMib(daemon.pid());
  const stalled = Array.from({ length: 40 }, () =>
    sse(daemon.socket, { path: "/v1/events?since=beginning&withMicrovms=true", isStalled: true }),
  );
  await Promise.all(stalled.map(({ head }) => head));
  await load("more");
  const grown = (await residentMib(daemon.pid())) - before;
  for (const { socket } of stalled) socket.destroy();
  // A thousand events of 12 KB, microVMs included, forty times: queued they would be 480 MB
  console.log(`  40 stalled watchers: ${Math.round(grown)} MiB more`);
  expect(grown).toBeLessThan(80);
});
