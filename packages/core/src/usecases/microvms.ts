/** The microVM half of the use cases: reads from the records, writes wishes into them, streams from the guest. */

import { parseGuestPath } from "../domain/copy-rules.ts";
import type { ErrorCode } from "../domain/errors.ts";
import { ERROR_CODES, FlintlockError, invalidField, notFound } from "../domain/errors.ts";
import { type ExecInput, type ExecRequest, parseExec, type TerminalSize } from "../domain/exec-rules.ts";
import { type LogInput, parseLogs } from "../domain/log-rules.ts";
import type { MicroVM } from "../domain/microvm.ts";
import { isUid } from "../domain/names.ts";
import { isAwaited } from "../domain/readiness.ts";
import {
  deleted,
  pause,
  type RunChange,
  refuseDeleted,
  restart,
  resume,
  start,
  stop,
} from "../domain/run-wish.ts";
import { parseLabels } from "../domain/spec-rules.ts";
import type { Uid } from "../domain/units.ts";
import type { GuestSessions } from "../ports/guest-sessions.ts";
import { AGENT_PORT } from "../ports/guest-sessions.ts";
import type { LogReader } from "../ports/log-reader.ts";
import type { ByteStream } from "../ports/provider.ts";
import { providerOf } from "../reconcile/ports.ts";
import type {
  ExecSession,
  ListFilter,
  MicroVMUseCases,
  ProcessOutput,
  ProcessSession,
  Target,
} from "./api.ts";
import type { CreateParts } from "./create-microvm.ts";
import { createMicroVM } from "./create-microvm.ts";
import { measureMicroVMs } from "./measure.ts";
import { probeGuest } from "./probe.ts";
import { statsOf } from "./stats.ts";
import { resolveTarget } from "./target.ts";
import { updateMicroVM } from "./update-microvm.ts";

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
    await repository.update(uid, (vm) => {
      if (vm.deletedAt !== undefined) return vm;
      if (vm.isProtected) throw protectedFromDeletion(vm);
      return deleted(vm, now);
    });
    parts.poke(uid);
  };

  const change = async (target: Target, verb: RunChange): Promise<MicroVM> => {
    const { uid } = resolve(target);
    const vm = await repository.update(uid, verb);
    parts.poke(uid);
    return vm;
  };

  /** Waits until the guest can be talked to, ready or not. Returns the record; its state may be `exited`. */
  const whenRunning = async (uid: Uid, signal: AbortSignal): Promise<MicroVM> => {
    for await (const vm of repository.watch(uid, signal)) {
      if (vm === undefined) throw notFound(`microvm ${uid}`);
      if (vm.status.state === "created" || vm.status.state === "exited" || isAwaited(vm)) return vm;
      if (vm.status.state === "failed") throw failureOf(vm);
      if (vm.status.state === "deleting") {
        throw new FlintlockError("failed_precondition", `microvm ${vm.id} is being deleted`);
      }
      if (vm.status.state === "stopped" || vm.status.state === "paused") throw notReady(vm);
    }
    throw notFound(`microvm ${uid}`);
  };

  const connect = (vm: MicroVM, port: number, signal: AbortSignal): Promise<ByteStream> =>
    providerOf(parts.ports, vm).connect(refOf(vm), port, signal);

  const extensions = async (vm: MicroVM, signal: AbortSignal): Promise<ReadonlySet<string>> =>
    await parts.sessions.extensions(await connect(vm, AGENT_PORT, signal), signal);

  /** An agent that refuses to attach closes at once, and its words are lost to a client that just sends: then it is asked. */
  const attached = async function* (
    output: ProcessSession["output"],
    vm: MicroVM,
    signal: AbortSignal,
  ): AsyncGenerator<ProcessOutput> {
    let isSilent = true;
    try {
      for await (const each of output) {
        isSilent = false;
        yield each;
      }
    } catch (error) {
      const isGone = isSilent && error instanceof FlintlockError && error.code === "unavailable";
      const known = isGone ? await extensions(vm, signal).catch(() => undefined) : undefined;
      throw known === undefined || known.has("attach") ? error : notExtended("cannot be attached to");
    }
  };

  const run = async (vm: MicroVM, request: ExecRequest, signal: AbortSignal): Promise<ExecSession> => {
    const refuseUnless = async (extension: string, what: string): Promise<void> => {
      if (!(await extensions(vm, signal)).has(extension)) throw notExtended(what);
    };
    if (request.terminal !== undefined) await refuseUnless("tty", "gives commands no terminal");
    const session = await parts.sessions.exec(await connect(vm, AGENT_PORT, signal), request, signal);
    return {
      ...session,
      signal: async (name) => {
        await refuseUnless("signal", "takes no signals: the command is ended");
        await session.signal(name);
      },
    };
  };

  const measure = measureMicroVMs(parts.ports);

  /** To its agent, once it runs. */
  const connectRunning = async (target: Target, signal: AbortSignal): Promise<ByteStream> => {
    const vm = await whenRunning(resolve(target).uid, signal);
    if (vm.status.state === "exited") throw notReady(vm);
    return connect(vm, AGENT_PORT, signal);
  };

  return {
    create: createMicroVM(parts),
    get: async (target) => resolve(target),
    getByUid: async (uid) => repository.get(parseUid(uid)),
    setLabels: async (uid, labels) => {
      const parsed = parseLabels(labels);
      return repository.update(parseUid(uid), (vm) => {
        refuseDeleted(vm);
        return { ...vm, spec: { ...vm.spec, labels: parsed } };
      });
    },
    update: updateMicroVM(parts),
    start: (target) => change(target, start),
    stop: (target, graceMs) => change(target, stop(graceMs)),
    restart: (target, graceMs) => change(target, restart(graceMs)),
    pause: (target) => change(target, pause),
    resume: (target) => change(target, resume),
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
      const session = await parts.sessions.attach(await connect(vm, AGENT_PORT, signal), terminal, signal);
      return { ...session, output: attached(session.output, vm, signal) };
    },

    async exec(target: Target, input: ExecInput, signal: AbortSignal): Promise<ExecSession> {
      const request = parseExec(input);
      const vm = await whenRunning(resolve(target).uid, signal);
      if (vm.status.state === "exited") throw notReady(vm);
      return run(vm, request, signal);
    },

    async forward(target, port, signal) {
      if (!isPort(port)) throw invalidField("port", "must be 1 to 65535");
      return parts.sessions.forward(await connectRunning(target, signal), port, signal);
    },

    async *copyOut(target, request, signal) {
      const path = parseGuestPath(request.path, "path");
      yield* parts.sessions.copyOut(await connectRunning(target, signal), { ...request, path }, signal);
    },

    async copyIn(target, request, archive, signal) {
      const path = parseGuestPath(request.path, "start.path");
      await parts.sessions.copyIn(
        await connectRunning(target, signal),
        { ...request, path },
        archive,
        signal,
      );
    },

    async execByUid(uid, input, signal) {
      const vm = withAgent(repository.get(parseUid(uid)));
      return run(vm, parseExec(input), signal);
    },

    async connectByUid(uid, port, signal) {
      return connect(withAgent(repository.get(parseUid(uid))), port, signal);
    },

    async *probe(target, request, signal) {
      const { probe, clock } = parts.ports;
      const openerOf = (vm: MicroVM) => (port: number, attempt: AbortSignal) => connect(vm, port, attempt);
      const running = async (uid: Uid, attempt: AbortSignal): Promise<MicroVM> => {
        const vm = await whenRunning(uid, attempt);
        if (vm.status.state === "exited") throw notReady(vm);
        return vm;
      };
      const isPending = (uid: Uid) => repository.find(uid)?.status.state === "pending";
      const guest = { probe, clock, whenRunning: running, isPending, openerOf };
      yield* probeGuest(guest, resolve(target).uid, request, signal);
    },

    async console(target, signal) {
      const vm = resolve(target);
      return providerOf(parts.ports, vm).console(refOf(vm), signal);
    },

    logs(target: Target, input: LogInput, signal: AbortSignal) {
      const options = parseLogs(input, parts.ports.clock.now());
      const { uid } = resolve(target);
      const isOver = () => {
        const state = repository.find(uid)?.status.state;
        return state === undefined || state === "stopped" || state === "exited" || state === "failed";
      };
      return parts.logs.read(directories.path(repository.get(uid)), options, isOver, signal);
    },

    measure,
    stats: statsOf({
      clock: parts.ports.clock,
      sessions: parts.sessions,
      measure,
      resolve,
      connect: (vm, signal) => connect(vm, AGENT_PORT, signal),
    }),
  };
};

const isPort = (port: number): boolean => Number.isInteger(port) && port >= 1 && port <= 65_535;

const parseUid = (text: string): Uid => {
  const upper = text.toUpperCase();
  if (isUid(upper)) return upper;
  throw notFound(`microvm ${JSON.stringify(text.slice(0, 80))}`);
};

const matches = (filter: ListFilter): ((vm: MicroVM) => boolean) => {
  const { namespace, name, states = [] } = filter;
  const labels = Object.entries(filter.labels);
  return (vm) =>
    (namespace === "" || vm.namespace === namespace) &&
    (name === undefined || name === "" || vm.id === name) &&
    (states.length === 0 || states.includes(vm.status.state)) &&
    labels.every(([key, value]) => Object.hasOwn(vm.spec.labels, key) && vm.spec.labels[key] === value);
};
/** COMPAT: upstream's rules for its exec and SSH services, and its words. */
const withAgent = (vm: MicroVM): MicroVM => {
  if (!vm.spec.allowGuestAgent) {
    throw new FlintlockError(
      "failed_precondition",
      "microvm was not created with guest agent access enabled",
      { hint: "create it with allow_guest_agent" },
    );
  }
  if (vm.status.state !== "created") throw notReady(vm);
  return vm;
};

/** Upstream's agent overlooks such a wish, and its caller would wait for what does not come. */
const notExtended = (what: string): FlintlockError =>
  new FlintlockError("unsupported", `the guest's agent ${what}`, {
    hint: "It is not ours: start the microVM with the kernel image that comes with this daemon.",
  });

const protectedFromDeletion = ({ id }: MicroVM): FlintlockError =>
  new FlintlockError("failed_precondition", `microvm ${id} is protected from deletion`, {
    hint: `Lift it first: flintlock modify --no-protect ${id}`,
  });

const notReady = (vm: MicroVM): FlintlockError =>
  new FlintlockError("failed_precondition", `microvm is not ready (state: ${vm.status.state})`);

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
