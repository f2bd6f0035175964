/** Use cases in memory: enough behaviour to tell whether the API asked the right thing. */
import {
  type CreateInput,
  type ExecInput,
  type ExecOutput,
  type ExecSession,
  FlintlockError,
  type Image,
  type MicroVM,
  type MicroVMUseCases,
  notFound,
  type OciReference,
  type ProcessOutput,
  type RunWish,
  type Uid,
  type UnixMs,
  type UseCases,
} from "@flintlock/core";
import { sampleMicroVM } from "./sample-microvm.ts";

export interface FakeUseCases extends UseCases {
  readonly records: Map<string, MicroVM>;
  /** What create was given, in order */
  readonly created: CreateInput[];
  /** What the execs were given, in order */
  readonly executed: ExecInput[];
  /** Ports that were connected to, in order */
  readonly connected: number[];
  /** How often a stream of the core was told to end */
  readonly ended: { count: number };
  /** Bytes that `load` has taken */
  readonly loaded: { bytes: number };
  /** Set to make every call throw it */
  readonly broken: { error: unknown };
}

const image = (reference: string): Image => ({
  reference: reference as OciReference,
  digest: "sha256:0" as Image["digest"],
  config: { entrypoint: [], cmd: ["sh"], env: [], user: "", workingDir: "/", labels: {} },
  sizeBytes: 5_000_000_000,
  layers: 1,
  createdAt: undefined,
  platform: "linux/amd64",
});

export const fakeUseCases = (vms: readonly MicroVM[] = []): FakeUseCases => {
  const records = new Map<string, MicroVM>(vms.map((vm) => [vm.uid, vm]));
  const created: CreateInput[] = [];
  const executed: ExecInput[] = [];
  const connected: number[] = [];
  const ended = { count: 0 };
  const loaded = { bytes: 0 };
  const broken: { error: unknown } = { error: undefined };
  const check = (): void => {
    if (broken.error !== undefined) throw broken.error;
  };
  const byUid = (uid: string): MicroVM => {
    check();
    const vm = records.get(uid);
    if (vm === undefined) throw notFound(`microVM ${uid}`);
    return vm;
  };
  const find = ({ target }: { readonly target: string }): MicroVM => {
    const vm = [...records.values()].find(({ uid, id }) => uid === target || id === target);
    if (vm === undefined) throw notFound(`microVM ${target}`);
    return vm;
  };
  const changed = (target: { readonly target: string }, run: RunWish): MicroVM => {
    check();
    const vm = { ...find(target), run };
    records.set(vm.uid, vm);
    return vm;
  };
  /** Until the signal: what a quiet core does */
  const silence = (signal: AbortSignal): Promise<never> =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => {
        ended.count += 1;
        reject(signal.reason);
      });
    });
  /** Input comes back as stdout, sizes and signals as stderr; "fail" is an error of the agent's; the end is code 7. */
  const echo = (signal: AbortSignal): ExecSession => {
    const queue: ExecOutput[] = [];
    let wake = (): void => undefined;
    const push = (output: ExecOutput): void => {
      queue.push(output);
      wake();
    };
    return {
      output: (async function* () {
        while (true) {
          const next = queue.shift();
          if (next !== undefined) {
            yield next;
            if (next.kind === "exit") return;
          } else {
            const more = new Promise<void>((resolve) => {
              wake = resolve;
            });
            await Promise.race([more, silence(signal)]);
          }
        }
      })(),
      stdin: async (bytes) => {
        const isFailure = Buffer.from(bytes).toString() === "fail";
        push(isFailure ? { kind: "error", message: "no such user" } : { kind: "stdout", bytes });
      },
      endStdin: async () => push({ kind: "exit", code: 7 }),
      resize: async ({ rows }) => push({ kind: "stderr", bytes: Buffer.from(`rows ${rows}`) }),
      signal: async (name) => push({ kind: "stderr", bytes: Buffer.from(`signal ${name}`) }),
      [Symbol.asyncDispose]: async () => {
        ended.count += 1;
      },
    };
  };
  const microvms: MicroVMUseCases = {
    create: async (input) => {
      check();
      if (input.vcpu > 64) {
        throw new FlintlockError("invalid_spec", "vcpu: must be 1 to 64", { detail: { field: "vcpu" } });
      }
      created.push(input);
      const uid = `01JE${String(created.length).padStart(22, "0")}` as Uid;
      const vm = sampleMicroVM({ uid, id: input.id, namespace: input.namespace || "default", version: 1 });
      records.set(uid, vm);
      return vm;
    },
    get: async (target) => find(target),
    getByUid: async (uid) => byUid(uid),
    update: async (target, { labels }) => {
      const vm = find(target);
      const microvm = { ...vm, spec: { ...vm.spec, labels } };
      records.set(vm.uid, microvm);
      return { microvm, changes: [{ field: "labels", effect: "live" }] };
    },
    setLabels: async (uid, labels) => {
      const vm = byUid(uid);
      const changed = { ...vm, spec: { ...vm.spec, labels }, version: vm.version + 1 };
      records.set(uid, changed);
      return changed;
    },
    start: async (target) => changed(target, { state: "running", isAnew: true }),
    stop: async (target, graceMs) => changed(target, { state: "stopped", isAnew: false, graceMs }),
    restart: async (target, graceMs) => changed(target, { state: "running", isAnew: true, graceMs }),
    pause: async (target) => changed(target, { state: "paused", isAnew: false }),
    resume: async (target) => changed(target, { state: "running", isAnew: false }),
    list: async ({ namespace, name, labels, states = [] }) => {
      check();
      const wanted = Object.entries(labels);
      return [...records.values()].filter(
        (vm) =>
          (namespace === "" || vm.namespace === namespace) &&
          (name === undefined || vm.id === name) &&
          (states.length === 0 || states.includes(vm.status.state)) &&
          wanted.every(([key, value]) => vm.spec.labels[key] === value),
      );
    },
    delete: async (target) => void records.delete(find(target).uid),
    deleteByUid: async (uid) => void records.delete(byUid(uid).uid),
    watch: async function* (target, signal) {
      yield find(target);
      await silence(signal);
    },
    attach: async (target, _terminal, signal) => {
      find(target);
      const { output, ...session } = echo(signal);
      return { ...session, output: withoutErrors(output) };
    },
    exec: async (target, input, signal) => {
      find(target);
      executed.push(input);
      return echo(signal);
    },
    execByUid: async (uid, input, signal) => {
      withAgent(byUid(uid));
      executed.push(input);
      return echo(signal);
    },
    connectByUid: async (uid, port, signal) => {
      withAgent(byUid(uid));
      connected.push(port);
      const { output, stdin, endStdin, ...session } = echo(signal);
      return { ...session, bytes: bytesOf(output), write: stdin, end: endStdin };
    },
    forward: async (target, port, signal) => {
      find(target);
      connected.push(port);
      const { output, stdin, endStdin, ...session } = echo(signal);
      return { ...session, bytes: bytesOf(output), write: stdin, end: endStdin };
    },
    probe: async function* (target, { conditions }, signal) {
      find(target);
      for (const condition of conditions) yield { condition, isMet: condition !== "ssh", seen: "seen" };
      if (conditions.includes("ssh")) await silence(signal);
    },
    stats: async (target) => ({
      microvm: find(target),
      at: 0 as UnixMs,
      vmm: { cpuMs: 1, residentBytes: 2 },
      vmmError: undefined,
      guest: undefined,
      guestError: new FlintlockError("unavailable", "the guest says nothing"),
    }),
    copyOut: async function* (target, { path }) {
      find(target);
      yield Buffer.from(path);
    },
    copyIn: async (target, _request, archive) => {
      find(target);
      for await (const bytes of archive) loaded.bytes += bytes.length;
    },
    console: async () => {
      throw new FlintlockError("failed_precondition", "the console is taken");
    },
    logs: async function* (target, { follow, tail }, signal) {
      find(target);
      for (let line = 0; line < (tail || 3); line += 1)
        yield { source: "console", bytes: Buffer.alloc(1024, "x") };
      if (follow) await silence(signal);
    },
    measure: async (uids) =>
      uids.flatMap((uid) => {
        const vm = records.get(uid);
        return vm === undefined
          ? []
          : [{ uid, namespace: vm.namespace, id: vm.id, metrics: [], error: undefined }];
      }),
  };
  return {
    records,
    created,
    executed,
    connected,
    ended,
    loaded,
    broken,
    microvms,
    events: {
      watch: async function* ({ since }, signal) {
        if (since === "1")
          throw new FlintlockError("out_of_range", "no longer kept", { detail: { first_position: 7 } });
        yield { kind: "bookmark", position: 7, at: 0 as UnixMs };
        for (const microvm of records.values()) yield { kind: "present", microvm };
        await silence(signal);
      },
    },
    images: {
      pull: async function* (reference) {
        const progress = { stage: "download", digest: "sha256:0", doneBytes: 1, totalBytes: 2 } as const;
        yield { kind: "progress", progress };
        yield { kind: "image", image: image(reference) };
      },
      load: async function* (reference, archive) {
        for await (const bytes of archive) loaded.bytes += bytes.byteLength;
        yield { kind: "image", image: image(reference) };
      },
      list: async () => [{ ...image("registry.test/a:1"), usedBy: ["shop/web"] }],
      inspect: async (reference) => ({ ...image(reference), usedBy: [] }),
      remove: async (reference) => {
        throw new FlintlockError("failed_precondition", `image ${reference}: a microVM uses it`, {
          hint: "Delete shop/web first.",
        });
      },
      prune: async () => ({ freedBytes: 2 ** 40 }),
    },
    host: {
      info: async () => ({
        version: "0.1.0",
        buildDate: "2026-11-24T12:00:00Z",
        commitHash: "0123abc",
        stateDir: "/state",
        pid: 42,
        providers: [{ name: "qemu", isUsable: true, reason: "tcg: there is no /dev/kvm" }],
        defaultProvider: "qemu",
        accelerator: "tcg",
        maxMemoryMib: 32_768,
        uptimeMs: 61_500,
      }),
      check: async function* () {
        yield { name: "kvm", result: "warn", detail: "no /dev/kvm", hint: "TCG is used.", ms: 0.5 };
      },
    },
  };
};

const withAgent = ({ spec }: MicroVM): void => {
  if (!spec.allowGuestAgent) throw new FlintlockError("failed_precondition", "no guest agent access");
};

async function* withoutErrors(outputs: AsyncIterable<ExecOutput>): AsyncGenerator<ProcessOutput> {
  for await (const output of outputs) if (output.kind !== "error") yield output;
}

async function* bytesOf(outputs: AsyncIterable<ExecOutput>): AsyncGenerator<Uint8Array> {
  for await (const output of outputs) if (output.kind === "stdout") yield output.bytes;
}
