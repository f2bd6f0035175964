/**
 * The use cases as far as one caller may go.
 *
 * A role decides what may be done, namespaces decide to what. A microVM in a namespace that the caller may not see
 * does not exist for it: `not_found`, with the words that a uid nobody has gets, and no trace in a list or in an
 * ambiguous name. What concerns the whole host (removing images, checks) is for admins of every namespace.
 *
 * A method added to `UseCases` does not compile until it has a role here and a place below.
 */
import { type Caller, hasNamespace, hasRole, type Role } from "../domain/caller.ts";
import { FlintlockError, notFound } from "../domain/errors.ts";
import type { MicroVM } from "../domain/microvm.ts";
import { MICROVM_FIELDS } from "../domain/microvm-fields.ts";
import type {
  EventUseCases,
  HostUseCases,
  ImageUseCases,
  ImageWithUse,
  MicroVMUseCases,
  Target,
  UseCases,
  Watched,
} from "./api.ts";
import { redacted } from "./redacted.ts";
import { resolveTarget } from "./target.ts";

export const ROLE_FOR = {
  microvms: {
    create: "operator",
    get: "viewer",
    getByUid: "viewer",
    setLabels: "operator",
    update: "operator",
    start: "operator",
    stop: "operator",
    restart: "operator",
    pause: "operator",
    resume: "operator",
    list: "viewer",
    delete: "operator",
    deleteByUid: "operator",
    watch: "viewer",
    attach: "operator",
    exec: "operator",
    execByUid: "operator",
    connectByUid: "operator",
    forward: "operator",
    probe: "operator",
    copyOut: "operator",
    copyIn: "operator",
    console: "operator",
    logs: "viewer",
    measure: "viewer",
    stats: "viewer",
  },
  events: { watch: "viewer" },
  images: {
    pull: "operator",
    load: "operator",
    list: "viewer",
    inspect: "viewer",
    remove: "admin",
    prune: "admin",
  },
  host: { info: "viewer", check: "admin" },
} as const satisfies { readonly [Part in keyof UseCases]: Readonly<Record<keyof UseCases[Part], Role>> };

/** @throws FlintlockError `permission_denied` – from each method that the caller's role does not allow */
export const authorized = ({ microvms, events, images, host }: UseCases, caller: Caller): UseCases => ({
  microvms: authorizedMicroVMs(microvms, caller),
  events: authorizedEvents(events, caller),
  images: authorizedImages(images, caller),
  host: authorizedHost(host, caller),
});

const authorizedMicroVMs = (microvms: MicroVMUseCases, caller: Caller): MicroVMUseCases => {
  const need = (operation: keyof MicroVMUseCases): void =>
    needRole(caller, `microvms.${operation}`, ROLE_FOR.microvms[operation]);
  const shown = hasRole(caller, "operator") ? (vm: MicroVM) => vm : redacted;
  const isVisible = (vm: MicroVM): boolean => hasNamespace(caller, vm.namespace);
  const visible = scope(microvms, caller);
  const visibleByUid = async (uid: string): Promise<MicroVM> => {
    const vm = await microvms.getByUid(uid);
    if (!isVisible(vm)) throw hidden(caller, `microvm ${vm.uid}`);
    return vm;
  };
  /** Of those that nobody may see nothing is said, as of those that are not there. */
  const visibleAmong = async (uids: readonly string[]): Promise<readonly string[]> => {
    if (caller.namespaces === "all") return uids;
    const seen = await microvms.list({ namespace: "", name: undefined, labels: {} });
    const mine = new Set<string>(seen.filter(isVisible).map(({ uid }) => uid));
    return uids.filter((uid) => mine.has(uid));
  };
  return {
    create: async (input) => {
      need("create");
      const namespace = input.namespace || MICROVM_FIELDS.namespace.default;
      if (!hasNamespace(caller, namespace)) throw otherNamespace(caller, namespace);
      return microvms.create(input, caller);
    },
    get: async (target) => {
      need("get");
      return shown(await microvms.get(await visible(target)));
    },
    getByUid: async (uid) => {
      need("getByUid");
      return shown(await visibleByUid(uid));
    },
    setLabels: async (uid, labels) => {
      need("setLabels");
      return microvms.setLabels((await visibleByUid(uid)).uid, labels);
    },
    update: async (target, input, dryRun) => {
      need("update");
      return microvms.update(await visible(target), input, dryRun);
    },
    start: async (target) => {
      need("start");
      return microvms.start(await visible(target));
    },
    stop: async (target, graceMs) => {
      need("stop");
      return microvms.stop(await visible(target), graceMs);
    },
    restart: async (target, graceMs) => {
      need("restart");
      return microvms.restart(await visible(target), graceMs);
    },
    pause: async (target) => {
      need("pause");
      return microvms.pause(await visible(target));
    },
    resume: async (target) => {
      need("resume");
      return microvms.resume(await visible(target));
    },
    list: async (filter) => {
      need("list");
      const all = await microvms.list(filter);
      const mine = caller.namespaces === "all" ? all : all.filter(isVisible);
      return shown === redacted ? mine.map(shown) : mine;
    },
    delete: async (target) => {
      need("delete");
      return microvms.delete(await visible(target));
    },
    deleteByUid: async (uid) => {
      need("deleteByUid");
      return microvms.deleteByUid((await visibleByUid(uid)).uid);
    },
    async *watch(target, signal) {
      need("watch");
      for await (const vm of microvms.watch(await visible(target), signal)) yield vm && shown(vm);
    },
    attach: async (target, terminal, signal) => {
      need("attach");
      return microvms.attach(await visible(target), terminal, signal);
    },
    exec: async (target, input, signal) => {
      need("exec");
      return microvms.exec(await visible(target), input, signal);
    },
    execByUid: async (uid, input, signal) => {
      need("execByUid");
      return microvms.execByUid((await visibleByUid(uid)).uid, input, signal);
    },
    connectByUid: async (uid, port, signal) => {
      need("connectByUid");
      return microvms.connectByUid((await visibleByUid(uid)).uid, port, signal);
    },
    forward: async (target, port, signal) => {
      need("forward");
      return microvms.forward(await visible(target), port, signal);
    },
    async *probe(target, request, signal) {
      need("probe");
      yield* microvms.probe(await visible(target), request, signal);
    },
    async *copyOut(target, request, signal) {
      need("copyOut");
      yield* microvms.copyOut(await visible(target), request, signal);
    },
    copyIn: async (target, request, archive, signal) => {
      need("copyIn");
      await microvms.copyIn(await visible(target), request, archive, signal);
    },
    console: async (target, signal) => {
      need("console");
      return microvms.console(await visible(target), signal);
    },
    async *logs(target, options, signal) {
      need("logs");
      yield* microvms.logs(await visible(target), options, signal);
    },
    stats: async (target, signal) => {
      need("stats");
      const stats = await microvms.stats(await visible(target), signal);
      return { ...stats, microvm: shown(stats.microvm) };
    },
    measure: async (uids, scope, signal) => {
      need("measure");
      return microvms.measure(await visibleAmong(uids), scope, signal);
    },
  };
};

/** Bookmarks are everyone's: where others' changes are left out, the position still goes on. */
const authorizedEvents = (events: EventUseCases, caller: Caller): EventUseCases => {
  const mayAct = hasRole(caller, "operator");
  const shown = (item: Watched): Watched => {
    if (mayAct || item.kind === "bookmark") return item;
    if (item.kind === "present") return { ...item, microvm: redacted(item.microvm) };
    return { ...item, microvm: item.microvm && redacted(item.microvm) };
  };
  const isVisible = (item: Watched): boolean =>
    item.kind === "bookmark" ||
    hasNamespace(caller, item.kind === "present" ? item.microvm.namespace : item.event.namespace);
  return {
    async *watch(request, signal) {
      needRole(caller, "events.watch", ROLE_FOR.events.watch);
      for await (const item of events.watch(request, signal, caller)) {
        if (isVisible(item)) yield shown(item);
      }
    },
  };
};

const authorizedImages = (images: ImageUseCases, caller: Caller): ImageUseCases => {
  const need = (operation: keyof ImageUseCases): void =>
    needRole(caller, `images.${operation}`, ROLE_FOR.images[operation]);
  const shown = (image: ImageWithUse): ImageWithUse => ({
    ...image,
    usedBy: image.usedBy.filter((user) => hasNamespace(caller, user.slice(0, user.indexOf("/")))),
  });
  return {
    async *pull(reference, policy, signal) {
      need("pull");
      yield* images.pull(reference, policy, signal);
    },
    async *load(reference, archive, signal) {
      need("load");
      yield* images.load(reference, archive, signal);
    },
    list: async () => {
      need("list");
      return (await images.list()).map(shown);
    },
    inspect: async (reference) => {
      need("inspect");
      return shown(await images.inspect(reference));
    },
    remove: async (reference) => {
      need("remove");
      needEveryNamespace(caller, "images.remove");
      return images.remove(reference);
    },
    prune: async () => {
      need("prune");
      needEveryNamespace(caller, "images.prune");
      return images.prune();
    },
  };
};

const authorizedHost = (host: HostUseCases, caller: Caller): HostUseCases => ({
  info: async () => {
    needRole(caller, "host.info", ROLE_FOR.host.info);
    return host.info();
  },
  async *check(signal) {
    needRole(caller, "host.check", ROLE_FOR.host.check);
    needEveryNamespace(caller, "host.check");
    yield* host.check(signal);
  },
});

/** A target as the caller may mean it: by uid, once others' VMs are out of sight. */
const scope = (microvms: MicroVMUseCases, caller: Caller): ((target: Target) => Promise<Target>) => {
  if (caller.namespaces === "all") return async (target) => target;
  return async (target) => {
    const everything = await microvms.list({ namespace: "", name: undefined, labels: {} });
    const seen = everything.filter(({ namespace }) => hasNamespace(caller, namespace));
    const among = { find: (uid: string) => seen.find((vm) => vm.uid === uid), all: () => seen };
    try {
      return { target: resolveTarget(among, target).uid, namespace: "" };
    } catch (error) {
      if (!(error instanceof FlintlockError) || error.code !== "not_found") throw error;
      const isThere = await microvms.get(target).then(
        () => true,
        () => false,
      );
      throw isThere ? new FlintlockError("not_found", error.message, { cause: notYours(caller) }) : error;
    }
  };
};

const needRole = (caller: Caller, operation: string, role: Role): void => {
  if (hasRole(caller, role)) return;
  throw new FlintlockError(
    "permission_denied",
    `${caller.name} may not do ${operation}: it has the role ${caller.role}, and that needs ${role}`,
    { detail: { role: caller.role, needed_role: role, operation } },
  );
};

const needEveryNamespace = (caller: Caller, operation: string): void => {
  if (caller.namespaces === "all") return;
  throw new FlintlockError(
    "permission_denied",
    `${caller.name} may not do ${operation}: it concerns every namespace, and this caller has some`,
    { detail: { operation } },
  );
};

const otherNamespace = (caller: Caller, namespace: string): FlintlockError =>
  new FlintlockError("permission_denied", `namespace: ${caller.name} may not use namespace ${namespace}`, {
    detail: { field: "namespace" },
  });

/** The cause is for the audit log: to the caller it is one more thing that is not there. */
const hidden = (caller: Caller, what: string): FlintlockError =>
  new FlintlockError("not_found", notFound(what).message, { cause: notYours(caller) });

const notYours = (caller: Caller): FlintlockError =>
  new FlintlockError("permission_denied", `${caller.name} may not see that namespace`);
