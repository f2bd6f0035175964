/** The microVM half of the use cases: reads from the records, writes wishes into them, streams from the guest. */

import type { ErrorCode } from "../domain/errors.ts";
import { ERROR_CODES, FlintlockError, notFound } from "../domain/errors.ts";
import type { MicroVM } from "../domain/microvm.ts";
import { isUid } from "../domain/names.ts";
import type { Uid } from "../domain/units.ts";
import type { GuestSessions } from "../ports/guest-sessions.ts";
import { AGENT_PORT } from "../ports/guest-sessions.ts";
import type { LogReader } from "../ports/log-reader.ts";
import { providerOf } from "../reconcile/ports.ts";
import type { ListFilter, LogOptions, MicroVMUseCases, ProcessSession, Target, TerminalSize } from "./api.ts";
import type { CreateParts } from "./create-microvm.ts";
import { createMicroVM } from "./create-microvm.ts";
import { measureMicroVMs } from "./measure.ts";
import { resolveTarget } from "./target.ts";

export interface MicroVMParts extends CreateParts {
  readonly sessions: GuestSessions;
  readonly logs: LogReader;
}

export const microvmUseCases = (parts: MicroVMParts): MicroVMUseCases => {
  const { repository, directories } = parts.ports;
  const resolve = (target: Target) => resolveTarget(repository, target);
  const refOf = (vm: MicroVM) => ({ uid: vm.uid, directory: directories.path(vm) });

  const markDeleted = async (uid: Uid): Promise<void> => {
    const now = parts.ports.clock.now();
    await repository.update(uid, (vm) =>
      vm.deletedAt !== undefined
        ? vm
        : {
            ...vm,
            deletedAt: now,
            status: { ...vm.status, state: "deleting", retry: 0, notBefore: undefined },
          },
    );
    parts.poke(uid);
  };

  /** Waits until the guest can be talked to. Returns the record, whose state is `created` or `exited`. */
  const whenRunning = async (uid: Uid, signal: AbortSignal): Promise<MicroVM> => {
    for await (const vm of repository.watch(uid, signal)) {
      if (vm === undefined) throw notFound(`microvm ${uid}`);
      if (vm.status.state === "created" || vm.status.state === "exited") return vm;
      if (vm.status.state === "failed") throw failureOf(vm);
      if (vm.status.state === "deleting") {
        throw new FlintlockError("failed_precondition", `microvm ${vm.id} is being deleted`);
      }
    }
    throw notFound(`microvm ${uid}`);
  };

  return {
    create: createMicroVM(parts),
    get: async (target) => resolve(target),
    getByUid: async (uid) => repository.get(parseUid(uid)),
    list: async (filter) => sorted([...repository.all()].filter(matches(filter))),
    delete: async (target) => markDeleted(resolve(target).uid),
    deleteByUid: async (uid) => markDeleted(repository.get(parseUid(uid)).uid),
    watch: (target, signal) => repository.watch(resolve(target).uid, signal),

    async attach(
      target: Target,
      terminal: TerminalSize | undefined,
      signal: AbortSignal,
    ): Promise<ProcessSession> {
      const vm = await whenRunning(resolve(target).uid, signal);
      if (vm.status.state === "exited") return endedSession(vm.status.exit?.code ?? 255);
      const stream = await providerOf(parts.ports, vm).connect(refOf(vm), AGENT_PORT, signal);
      return parts.sessions.attach(stream, terminal, signal);
    },

    async console(target, signal) {
      const vm = resolve(target);
      return providerOf(parts.ports, vm).console(refOf(vm), signal);
    },

    logs(target: Target, options: LogOptions, signal: AbortSignal) {
      const { uid } = resolve(target);
      const isOver = () => {
        const state = repository.find(uid)?.status.state;
        return state === undefined || state === "exited" || state === "failed";
      };
      return parts.logs.read(directories.path(repository.get(uid)), options, isOver, signal);
    },

    measure: measureMicroVMs(parts.ports),
  };
};

const parseUid = (text: string): Uid => {
  const upper = text.toUpperCase();
  if (isUid(upper)) return upper;
  throw notFound(`microvm ${JSON.stringify(text.slice(0, 80))}`);
};

const matches =
  (filter: ListFilter) =>
  (vm: MicroVM): boolean =>
    (filter.namespace === "" || vm.namespace === filter.namespace) &&
    (filter.name === undefined || filter.name === "" || vm.id === filter.name) &&
    Object.entries(filter.labels).every(([key, value]) => vm.spec.labels[key] === value);

/** ULIDs sort by creation. */
const sorted = (vms: MicroVM[]): readonly MicroVM[] => vms.sort((a, b) => (a.uid < b.uid ? -1 : 1));

const failureOf = (vm: MicroVM): FlintlockError => {
  const failure = vm.status.failure;
  const code = failure?.code ?? "internal";
  return new FlintlockError(
    isErrorCode(code) ? code : "internal",
    failure === undefined ? `microvm ${vm.id} failed` : `${failure.step}: ${failure.message}`,
    { detail: { step: failure?.step ?? "unknown" } },
  );
};

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERROR_CODES, code);

/** For a client that comes after the end. */
const endedSession = (code: number): ProcessSession => ({
  output: (async function* () {
    yield { kind: "exit", code } as const;
  })(),
  async stdin() {},
  async endStdin() {},
  async resize() {},
  async signal() {},
  async [Symbol.asyncDispose]() {},
});
