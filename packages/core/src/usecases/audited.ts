/**
 * The use cases, with a note of each that changes something, however it ends, and of each that is refused. Wraps
 * `authorized`, whose refusals it sees; a stream is noted when it ends.
 *
 * What a note never holds: specs, metadata, output, or anything else that a caller sent beside a name.
 */
import type { Caller } from "../domain/caller.ts";
import type { CreateInput } from "../domain/create-input.ts";
import { FlintlockError, toFlintlockError } from "../domain/errors.ts";
import type { MicroVM } from "../domain/microvm.ts";
import { MICROVM_FIELDS } from "../domain/microvm-fields.ts";
import type { Target, UseCases, WatchRequest } from "./api.ts";

export interface AuditNote {
  /** Such as `microvms.create` */
  readonly operation: string;
  readonly subject: AuditSubject;
  /** Undefined = it was done */
  readonly error: FlintlockError | undefined;
  /** The caller may not do this, or not there, whatever it was told */
  readonly isRefusal: boolean;
}

/** What it was done to; fields that do not apply are absent. */
export interface AuditSubject {
  readonly namespace?: string;
  readonly id?: string;
  readonly uid?: string;
  readonly image?: string;
}

export const audited = (useCases: UseCases, note: (note: AuditNote) => void): UseCases => {
  const { microvms, events, images, host } = useCases;
  const write = (operation: string, subject: AuditSubject, thrown?: { readonly error: unknown }): void => {
    const error = thrown && toFlintlockError(thrown.error);
    note({ operation, subject, error, isRefusal: error !== undefined && isRefusal(error) });
  };

  /** A change: noted in any case. */
  const changing = async <T>(
    operation: string,
    subject: AuditSubject,
    { work, about }: { readonly work: () => Promise<T>; readonly about?: (result: T) => AuditSubject },
  ): Promise<T> => {
    try {
      const result = await work();
      write(operation, about?.(result) ?? subject);
      return result;
    } catch (error) {
      write(operation, subject, { error });
      throw error;
    }
  };
  const changingStream = async function* <T>(
    operation: string,
    subject: AuditSubject,
    work: () => AsyncIterable<T>,
  ): AsyncIterable<T> {
    let thrown: { readonly error: unknown } | undefined;
    let isComplete = false;
    try {
      yield* work();
      isComplete = true;
    } catch (error) {
      thrown = { error };
      throw error;
    } finally {
      const left = isComplete ? undefined : { error: new FlintlockError("canceled", "the caller left") };
      write(operation, subject, thrown ?? left);
    }
  };
  /** Only a look: noted when it is refused. */
  const reading = async <T>(operation: string, subject: AuditSubject, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (isRefusal(toFlintlockError(error))) write(operation, subject, { error });
      throw error;
    }
  };
  const readingStream = async function* <T>(
    operation: string,
    subject: AuditSubject,
    work: () => AsyncIterable<T>,
  ): AsyncIterable<T> {
    try {
      yield* work();
    } catch (error) {
      if (isRefusal(toFlintlockError(error))) write(operation, subject, { error });
      throw error;
    }
  };
  /** Whom a target means, asked before it may be gone. */
  const meant = (target: Target): Promise<AuditSubject> =>
    microvms.get(target).then(subjectOf, () => asNamed(target));

  const meantByUid = (uid: string): Promise<AuditSubject> =>
    microvms.getByUid(uid).then(subjectOf, () => ({ uid: short(uid) }));

  return {
    microvms: {
      create: (input: CreateInput, caller?: Caller) =>
        changing("microvms.create", asAsked(input), {
          work: () => microvms.create(input, caller),
          about: subjectOf,
        }),
      get: (target) => reading("microvms.get", asNamed(target), () => microvms.get(target)),
      getByUid: (uid) => reading("microvms.getByUid", { uid: short(uid) }, () => microvms.getByUid(uid)),
      setLabels: async (uid, labels) => {
        const subject = await meantByUid(uid);
        return changing("microvms.setLabels", subject, { work: () => microvms.setLabels(uid, labels) });
      },
      update: async (target, input, dryRun) =>
        changing("microvms.update", await meant(target), {
          work: () => microvms.update(target, input, dryRun),
        }),
      start: async (target) =>
        changing("microvms.start", await meant(target), { work: () => microvms.start(target) }),
      stop: async (target, graceMs) =>
        changing("microvms.stop", await meant(target), { work: () => microvms.stop(target, graceMs) }),
      restart: async (target, graceMs) =>
        changing("microvms.restart", await meant(target), { work: () => microvms.restart(target, graceMs) }),
      pause: async (target) =>
        changing("microvms.pause", await meant(target), { work: () => microvms.pause(target) }),
      resume: async (target) =>
        changing("microvms.resume", await meant(target), { work: () => microvms.resume(target) }),
      list: (filter) =>
        reading("microvms.list", { namespace: short(filter.namespace) }, () => microvms.list(filter)),
      delete: async (target) =>
        changing("microvms.delete", await meant(target), { work: () => microvms.delete(target) }),
      deleteByUid: async (uid) => {
        const subject = await meantByUid(uid);
        return changing("microvms.deleteByUid", subject, { work: () => microvms.deleteByUid(uid) });
      },
      watch: (target, signal) =>
        readingStream("microvms.watch", asNamed(target), () => microvms.watch(target, signal)),
      attach: async (target, terminal, signal) =>
        changing("microvms.attach", await meant(target), {
          work: () => microvms.attach(target, terminal, signal),
        }),
      exec: async (target, input, signal) =>
        changing("microvms.exec", await meant(target), { work: () => microvms.exec(target, input, signal) }),
      execByUid: async (uid, input, signal) =>
        changing("microvms.execByUid", await meantByUid(uid), {
          work: () => microvms.execByUid(uid, input, signal),
        }),
      connectByUid: async (uid, port, signal) =>
        changing("microvms.connectByUid", await meantByUid(uid), {
          work: () => microvms.connectByUid(uid, port, signal),
        }),
      forward: async (target, port, signal) =>
        changing("microvms.forward", await meant(target), {
          work: () => microvms.forward(target, port, signal),
        }),
      probe: async function* (target, request, signal) {
        const subject = await meant(target);
        yield* changingStream("microvms.probe", subject, () => microvms.probe(target, request, signal));
      },
      async *copyOut(target, request, signal) {
        const subject = await meant(target);
        yield* changingStream("microvms.copyOut", subject, () => microvms.copyOut(target, request, signal));
      },
      copyIn: async (target, request, archive, signal) =>
        changing("microvms.copyIn", await meant(target), {
          work: () => microvms.copyIn(target, request, archive, signal),
        }),
      console: async (target, signal) =>
        changing("microvms.console", await meant(target), { work: () => microvms.console(target, signal) }),
      logs: (target, options, signal) =>
        readingStream("microvms.logs", asNamed(target), () => microvms.logs(target, options, signal)),
      stats: (target, signal) =>
        reading("microvms.stats", asNamed(target), () => microvms.stats(target, signal)),
      measure: (uids, scope, signal) =>
        reading("microvms.measure", {}, () => microvms.measure(uids, scope, signal)),
    },
    events: {
      watch: (request, signal) =>
        readingStream("events.watch", watchedBy(request), () => events.watch(request, signal)),
    },
    images: {
      pull: (reference, policy, signal) =>
        changingStream("images.pull", { image: short(reference) }, () =>
          images.pull(reference, policy, signal),
        ),
      load: (reference, archive, signal) =>
        changingStream("images.load", { image: short(reference) }, () =>
          images.load(reference, archive, signal),
        ),
      list: () => reading("images.list", {}, () => images.list()),
      inspect: (reference) =>
        reading("images.inspect", { image: short(reference) }, () => images.inspect(reference)),
      remove: (reference) =>
        changing("images.remove", { image: short(reference) }, { work: () => images.remove(reference) }),
      prune: () => changing("images.prune", {}, { work: () => images.prune() }),
    },
    host: {
      info: () => reading("host.info", {}, () => host.info()),
      check: (signal) => changingStream("host.check", {}, () => host.check(signal)),
    },
  };
};

/** One that hides what the caller may not see says so in its cause alone. */
const isRefusal = ({ code, cause }: FlintlockError): boolean =>
  code === "permission_denied" || (cause instanceof FlintlockError && cause.code === "permission_denied");

const subjectOf = ({ namespace, id, uid }: MicroVM): AuditSubject => ({ namespace, id, uid });

const asAsked = ({ namespace, id }: CreateInput): AuditSubject => ({
  namespace: short(namespace || MICROVM_FIELDS.namespace.default),
  id: short(id),
});

const asNamed = ({ namespace, target }: Target): AuditSubject => ({
  namespace: short(namespace),
  id: short(target),
});

const watchedBy = ({ filter: { namespace, target } }: WatchRequest): AuditSubject => ({
  ...(namespace === "" ? {} : { namespace: short(namespace) }),
  ...(target === "" ? {} : { id: short(target) }),
});

const MAX_CHARS = 200;

/** Not believed yet: whoever writes it down must not be flooded by it. */
const short = (text: string): string => (text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text);
