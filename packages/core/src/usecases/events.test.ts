import {
  authorized,
  BOOKMARK_MS,
  type Caller,
  type EventUseCases,
  eventUseCases,
  MAX_WATCHERS_OF_ONE,
  type UseCases,
  type Watched,
  type WatchRequest,
} from "@flintlock/core";
import { extension, settle, World, wireInput } from "@flintlock/core/testing";
import { beforeEach, describe, expect, test } from "vitest";

const EVERYTHING: WatchRequest = {
  since: "beginning",
  filter: { namespace: "", target: "", types: [], labels: {} },
  hasSnapshot: false,
  isUntilNow: true,
};
const never = new AbortController().signal;

let world: World;
let daemon: Awaited<ReturnType<World["daemon"]>>;
beforeEach(async () => {
  world = new World();
  daemon = await world.daemon();
});

const word = (item: Watched): string => {
  if (item.kind === "bookmark") return `bookmark ${item.position}`;
  if (item.kind === "present") return `present ${item.microvm.id}`;
  return `${item.event.name} ${item.event.type}`;
};

const all = async (
  changes: Partial<WatchRequest> = {},
  events: EventUseCases = daemon.events,
  caller?: Caller,
): Promise<readonly string[]> => {
  const words: string[] = [];
  for await (const item of events.watch({ ...EVERYTHING, ...changes }, never, caller)) words.push(word(item));
  return words;
};

const made = async (id: string, namespace = "ns", labels = {}): Promise<string> => {
  const { uid } = await daemon.microvms.create(wireInput({ id, namespace, labels }));
  await settle();
  return uid;
};

const WEB = ["web created", "web pulled", "web running"];
const DB = ["db created", "db pulled", "db running"];

test("a life is told from its first write to its last", async () => {
  const uid = await made("web");
  await daemon.microvms.setLabels(uid, { tier: "front" });
  await daemon.microvms.deleteByUid(uid);
  await settle();
  expect(await all()).toEqual([
    "bookmark 0",
    ...WEB,
    "web labels_changed",
    "web deleting",
    "web deleted",
    "bookmark 6",
  ]);
});

describe("since", () => {
  test("a position is what was seen last; the next daemon goes on after it", async () => {
    await made("web");
    await daemon.reconciler.close();
    daemon = await world.daemon();
    await made("db");
    const told = await all({ since: "2" });
    expect(told.slice(0, 2)).toEqual(["bookmark 2", "web running"]);
    expect(told.filter((text) => text.startsWith("db"))).toEqual(DB);
    const { last } = daemon.repository.journal;
    expect(told.at(-1)).toBe(`bookmark ${last}`);
    expect(await all({ since: String(last) })).toEqual([`bookmark ${last}`]);
    await expect(all({ since: String(last + 1) })).rejects.toMatchObject({ code: "out_of_range" });
  });

  test("a time leaves out what was before it", async () => {
    await made("web");
    world.clock.advance(60_000);
    const since = new Date(world.clock.now()).toISOString();
    await made("db");
    expect((await all({ since })).filter((text) => !text.startsWith("bookmark"))).toEqual(DB);
  });

  test.each(["soon", "-1", "1.5", "2026-13-45T00:00:00Z", "99999999999999999999", "2026-11-25"])(
    "%s is neither",
    async (since) => {
      await expect(all({ since })).rejects.toMatchObject({
        code: "invalid_spec",
        detail: { field: "since" },
      });
    },
  );
});

test("filters leave out changes, and never the bookmarks", async () => {
  const web = await made("web", "red", { tier: "front" });
  await made("db", "blue");
  await daemon.microvms.setLabels(web, {});
  const { filter } = EVERYTHING;
  const kept = async (some: Partial<WatchRequest["filter"]>) =>
    (await all({ filter: { ...filter, ...some } })).slice(1, -1);
  expect(await kept({ namespace: "blue" })).toEqual(DB);
  expect(await kept({ target: "db" })).toEqual(DB);
  expect(await kept({ target: web.toLowerCase() })).toEqual([...WEB, "web labels_changed"]);
  expect(await kept({ types: ["running", "pulled"] })).toEqual([
    "web pulled",
    "web running",
    "db pulled",
    "db running",
  ]);
  // It leaves the set: that is news to whoever watches the set.
  expect(await kept({ labels: { tier: "front" } })).toEqual([...WEB, "web labels_changed"]);
  expect(await all({ filter: { ...filter, target: "none" } })).toEqual(["bookmark 0", "bookmark 7"]);
});

test("a snapshot is of one moment, and what comes after it is told after it", async () => {
  await made("web");
  const request = { ...EVERYTHING, since: "", hasSnapshot: true, isUntilNow: false };
  const watch = daemon.events.watch(request, never)[Symbol.asyncIterator]();
  const next = async () => word((await watch.next()).value);
  expect(await next()).toBe("present web");
  const uid = await made("db");
  expect(await next()).toBe("bookmark 3");
  for (const expected of DB) expect(await next()).toBe(expected);
  await daemon.microvms.deleteByUid(uid);
  expect(await next()).toBe("db deleting");
  await watch.return?.();
  await expect(all({ hasSnapshot: true })).rejects.toMatchObject({ code: "invalid_spec" });
});

test("a watch is never silent for long, also where all that happens is left out", async () => {
  const request = { ...EVERYTHING, filter: { ...EVERYTHING.filter, target: "none" }, isUntilNow: false };
  const watch = daemon.events.watch(request, never)[Symbol.asyncIterator]();
  const next = async () => word((await watch.next()).value);
  expect(await next()).toBe("bookmark 0");
  const second = next();
  await made("web");
  world.clock.advance(BOOKMARK_MS);
  expect(await second).toBe("bookmark 3");
  await watch.return?.();
});

test("one caller cannot take every place, and gives back those it took", async () => {
  const mine: Caller = { name: "mine", role: "viewer", namespaces: "all" };
  const events = eventUseCases({ repository: daemon.repository, clock: world.clock });
  const open = await Promise.all(
    Array.from({ length: MAX_WATCHERS_OF_ONE }, async () => {
      const watch = events.watch({ ...EVERYTHING, isUntilNow: false }, never, mine)[Symbol.asyncIterator]();
      await watch.next();
      return watch;
    }),
  );
  await expect(all({}, events, mine)).rejects.toMatchObject({ code: "exhausted" });
  expect(await all({}, events, { ...mine, name: "other" })).toEqual(["bookmark 0"]);
  await open[0]?.return?.();
  expect(await all({}, events, mine)).toEqual(["bookmark 0"]);
});

test("a caller hears of its namespaces only, and a viewer sees no secrets", async () => {
  const env = { TOKEN: "secret" };
  await daemon.microvms.create(wireInput({ id: "web", namespace: "red", extension: extension({ env }) }));
  await made("db", "blue");
  const viewer: Caller = { name: "v", role: "viewer", namespaces: ["red"] };
  const { events } = authorized({ events: daemon.events } as UseCases, viewer);
  const seen: Watched[] = [];
  for await (const item of events.watch(EVERYTHING, never)) seen.push(item);
  for await (const item of events.watch({ ...EVERYTHING, since: "", hasSnapshot: true }, never))
    seen.push(item);
  expect(seen.map(word)).toEqual(["bookmark 0", ...WEB, "bookmark 6", "present web", "bookmark 6"]);
  expect(JSON.stringify(seen)).toContain("TOKEN");
  expect(JSON.stringify(seen)).not.toContain("secret");
});
