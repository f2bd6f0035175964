/** The changes of microVMs, for whoever watches: from the journal, so that nothing is missed and nothing piles up. */
import { FlintlockError, invalidField } from "../domain/errors.ts";
import type { MicroVM } from "../domain/microvm.ts";
import type { MicroVMEvent } from "../domain/microvm-event.ts";
import { parseTime } from "../domain/time-rules.ts";
import type { UnixMs } from "../domain/units.ts";
import type { Clock } from "../ports/clock.ts";
import { decodeEvent } from "../records/event-codec.ts";
import type { Repository } from "../records/repository.ts";
import type { EventFilter, EventUseCases, Watched } from "./api.ts";

/** A watch is never silent for longer */
export const BOOKMARK_MS = 15_000;
/** Each holds a page of the journal at most */
export const MAX_WATCHERS = 256;
/** So that none takes all the places */
export const MAX_WATCHERS_OF_ONE = 128;

export interface EventParts {
  readonly repository: Repository;
  readonly clock: Clock;
}

export const eventUseCases = ({ repository, clock }: EventParts): EventUseCases => {
  const { journal } = repository;
  const places = createPlaces();
  return {
    async *watch({ since, filter, hasSnapshot, isUntilNow }, signal, caller) {
      const begin = parseSince(since);
      if (hasSnapshot && begin.kind !== "now") throw invalidField("since", "must be empty with snapshot");
      const leave = places.take(caller?.name ?? "");
      try {
        // INVARIANT: nothing is awaited between these two, so that they are of one moment
        const now = journal.last;
        const present = hasSnapshot ? [...repository.all()] : [];
        const start = begin.kind === "now" ? now : begin.kind === "position" ? begin.position : journal.after;
        journal.check(start);
        for (const microvm of present) if (isPresent(filter, microvm)) yield { kind: "present", microvm };
        let toldAt = clock.monotonic();
        const bookmark = (position: number): Watched => {
          toldAt = clock.monotonic();
          return { kind: "bookmark", position, at: clock.now() };
        };
        yield bookmark(start);
        if (isUntilNow && start >= now) return;
        for await (const { position, entries } of journal.pages(start, BOOKMARK_MS, signal)) {
          for (const entry of entries) {
            const event = decodeEvent(entry);
            if (begin.kind === "time" && event.at < begin.at) continue;
            if (!fits(filter, event)) continue;
            toldAt = clock.monotonic();
            yield { kind: "event", position: entry.revision, event, microvm: repository.find(event.uid) };
          }
          const isOver = isUntilNow && position >= now;
          if (isOver || clock.monotonic() - toldAt >= BOOKMARK_MS) yield bookmark(position);
          if (isOver) return;
        }
      } finally {
        leave();
      }
    },
  };
};

type Since =
  | { readonly kind: "now" | "beginning" }
  | { readonly kind: "position"; readonly position: number }
  | { readonly kind: "time"; readonly at: UnixMs };

/** @throws FlintlockError `invalid_spec` */
const parseSince = (text: string): Since => {
  if (text === "") return { kind: "now" };
  if (text === "beginning") return { kind: "beginning" };
  const position = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(position)) return { kind: "position", position };
  const at = parseTime(text);
  if (at !== undefined) return { kind: "time", at };
  throw invalidField("since", `must be a position, a time such as 2026-11-25T02:00:00Z, or "beginning"`);
};

const isPresent = ({ namespace, target, labels }: EventFilter, vm: MicroVM): boolean =>
  isOf({ namespace, target }, { ...vm, name: vm.id }) && hasLabels(vm.spec.labels, labels);

/** One that leaves a set of labels is news to whoever watches that set. */
const fits = ({ namespace, target, types, labels }: EventFilter, event: MicroVMEvent): boolean =>
  (types.length === 0 || types.includes(event.type)) &&
  isOf({ namespace, target }, event) &&
  (hasLabels(event.labels, labels) ||
    (event.labelsBefore !== undefined && hasLabels(event.labelsBefore, labels)));

const isOf = (
  { namespace, target }: Pick<EventFilter, "namespace" | "target">,
  one: Pick<MicroVMEvent, "namespace" | "uid" | "name">,
): boolean =>
  (namespace === "" || one.namespace === namespace) &&
  (target === "" || one.name === target || one.uid === target.toUpperCase());

const hasLabels = (has: EventFilter["labels"], wanted: EventFilter["labels"]): boolean =>
  Object.entries(wanted).every(([key, value]) => Object.hasOwn(has, key) && has[key] === value);

/** Who watches now. */
const createPlaces = () => {
  const byName = new Map<string, number>();
  let taken = 0;
  return {
    /** Returns what gives the place back. @throws FlintlockError `exhausted` */
    take: (name: string): (() => void) => {
      const mine = byName.get(name) ?? 0;
      if (taken >= MAX_WATCHERS || mine >= MAX_WATCHERS_OF_ONE) {
        throw new FlintlockError("exhausted", "too many watch events", {
          detail: { watchers: taken, of_caller: mine, max: MAX_WATCHERS, max_of_caller: MAX_WATCHERS_OF_ONE },
          hint: "end other watches first",
        });
      }
      taken += 1;
      byName.set(name, mine + 1);
      return () => {
        taken -= 1;
        const left = (byName.get(name) ?? 1) - 1;
        if (left === 0) byName.delete(name);
        else byName.set(name, left);
      };
    },
  };
};
