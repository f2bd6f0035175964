/**
 * A daemon without microVMs, over real gRPC on a real socket, for the tests of the client and of the CLI.
 * What a "guest" does is its image's name and its command; see `guest` and `settledState`.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import {
  CheckResponseSchema,
  ext,
  Host,
  ImageSchema,
  Images,
  InfoResponseSchema,
  PullResponseSchema,
  types,
} from "@flintlock/api";
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
  status,
} from "@grpc/grpc-js";
import { statsOf } from "./fake-stats.ts";
import { definitionOf, failure, implement } from "./grpc-service.ts";

export interface FakeDaemon extends AsyncDisposable {
  readonly address: string;
  readonly vms: Map<string, ext.MicroVM>;
  /** What came in, in order: `create`, `attach`, `signal INT`, `stdin_eof`, `delete web`, … */
  readonly log: string[];
  /** Bytes the `flood` guest has handed to gRPC */
  readonly flooded: () => number;
  /** Bytes that Load received */
  readonly loaded: () => number;
}

type Attach = ServerDuplexStream<ext.AttachRequest, ext.AttachResponse>;
type Exec = ServerDuplexStream<ext.ExecRequest, ext.ExecResponse>;
type Input = Exclude<ext.ExecRequest["payload"], { case: "start" }>;

/** A process in a "guest", as Attach and Exec see it. */
interface FakeProcess {
  readonly command: readonly string[];
  readonly call: Attach | Exec;
  /** False = hold on until "drain" */
  send(payload: Exclude<ext.ExecResponse["payload"], { case: undefined }>): boolean;
  onExit(code: number): void;
}

const FLOOD_CHUNK = Buffer.alloc(64 * 1024, "x");

export const startFakeDaemon = async (): Promise<FakeDaemon> => {
  const directory = await mkdtemp(join(tmpdir(), "fake-daemon-"));
  const address = `unix://${join(directory, "d.sock")}`;
  const vms = new Map<string, ext.MicroVM>();
  const log: string[] = [];
  const counts = { flooded: 0, loaded: 0, created: 0, stats: 0 };
  const changed = new Set<() => void>();
  const change = () => {
    for (const listener of [...changed]) listener();
  };

  const find = (target: string): ext.MicroVM => {
    for (const vm of vms.values()) {
      const { uid = "", id = "" } = vm.microvm?.spec ?? {};
      if (id === target || (target.length >= 4 && uid.startsWith(target))) return vm;
    }
    throw failure(status.NOT_FOUND, "not_found", `microVM ${target} not found`);
  };

  /** At once pending, and a moment later so; `stuck` stays pending, `broken` fails. */
  const turn = (verb: string, target: string, state: ext.State): ext.MicroVM => {
    const vm = find(target);
    log.push(`${verb} ${vm.microvm?.spec?.id}`);
    vm.state = ext.State.PENDING;
    if (imageOf(vm) === "stuck") return vm;
    setImmediate(() => {
      vm.state = imageOf(vm) === "broken" ? ext.State.FAILED : state;
      change();
    });
    return { ...vm };
  };

  const microvms = implement({
    create: ({ microvm, process, ports, limits, balloonMib, readyWhen, expiry }: ext.CreateRequest) => {
      counts.created += 1;
      const uid = `01JD0000000000000000000${String(counts.created).padStart(3, "0")}`;
      const id = microvm?.id || `vm-${counts.created}`;
      log.push(`create ${id}`);
      if ((microvm?.vcpu ?? 0) > 64) {
        throw failure(status.INVALID_ARGUMENT, "invalid_spec", "vcpu: must be 1 to 64", {
          hint: "ask for less",
        });
      }
      const spec = { ...create(types.MicroVMSpecSchema), ...microvm, id, uid };
      const vm = create(ext.MicroVMSchema, {
        microvm: { version: 1, spec: { ...spec, namespace: spec.namespace || "default" } },
        ...(process === undefined ? {} : { process }),
        ports,
        ...(limits === undefined ? {} : { limits }),
        ...(balloonMib === undefined ? {} : { balloonMib }),
        ...(readyWhen === undefined ? {} : { readyWhen }),
        ...(expiry === undefined
          ? {}
          : { expiry: { idleSeconds: expiry.idleSeconds, action: expiry.action } }),
        state: ext.State.PENDING,
      });
      vms.set(uid, vm);
      return vm;
    },
    get: ({ target }: ext.GetRequest) => find(target),
    list: ({ labels, states }: ext.ListRequest) => {
      const wanted = Object.entries(labels);
      const fits = (vm: ext.MicroVM) =>
        (states.length === 0 || states.includes(vm.state)) &&
        wanted.every(([key, value]) => vm.microvm?.spec?.labels[key] === value);
      return create(ext.ListResponseSchema, { microvms: [...vms.values()].filter(fits) });
    },
    stats: ({ target }: ext.StatsRequest) => {
      const vm = find(target);
      counts.stats += 1;
      return statsOf(vm, counts.stats, imageOf(vm) === "mute");
    },
    start: ({ target }: ext.StartRequest) => turn("start", target, ext.State.RUNNING),
    stop: ({ target, graceSeconds, force }: ext.StopRequest) =>
      turn(force ? "kill" : `stop ${graceSeconds ?? "default"}`, target, ext.State.STOPPED),
    restart: ({ target, graceSeconds }: ext.RestartRequest) =>
      turn(`restart ${graceSeconds ?? "default"}`, target, ext.State.RUNNING),
    pause: ({ target }: ext.PauseRequest) => turn("pause", target, ext.State.PAUSED),
    resume: ({ target }: ext.ResumeRequest) => turn("resume", target, ext.State.RUNNING),
    delete: ({ target }: ext.DeleteRequest) => {
      const vm = find(target);
      log.push(`delete ${vm.microvm?.spec?.id}`);
      vms.delete(vm.microvm?.spec?.uid ?? "");
      change();
      return {};
    },
  });

  const wait = async (call: ServerWritableStream<ext.WaitRequest, ext.MicroVM>) => {
    const { target, condition } = call.request;
    try {
      const vm = find(target);
      const uid = vm.microvm?.spec?.uid ?? "";
      call.write(vm);
      settle(vm);
      for (;;) {
        const now = vms.get(uid);
        if (now === undefined) {
          if (condition === "deleted") return call.end();
          throw failure(status.NOT_FOUND, "not_found", `microVM ${target} not found`);
        }
        if (isReached(now, condition)) {
          call.write(now);
          return call.end();
        }
        await new Promise<void>((resolve) => {
          const listener = () => {
            changed.delete(listener);
            resolve();
          };
          changed.add(listener);
          call.once("cancelled", listener);
        });
        if (call.cancelled) return;
      }
    } catch (error) {
      call.emit("error", error);
    }
  };

  /** All is met but `ssh`, which is waited for until the caller leaves. */
  const probe = (call: ServerWritableStream<ext.ProbeRequest, ext.ProbeResponse>) => {
    const { target, conditions } = call.request;
    try {
      log.push(`probe ${find(target).microvm?.spec?.id} ${conditions.join(" | ")}`);
      for (const condition of conditions) {
        const met = condition !== "ssh";
        const seen = condition === "ip" ? "10.0.2.15" : met ? "there" : "nobody greets";
        call.write(create(ext.ProbeResponseSchema, { condition, met, seen }));
        if (!met) return;
      }
      call.end();
    } catch (error) {
      call.emit("error", error);
    }
  };

  const attach = (call: Attach) => {
    let guest: ((payload: Input) => void) | undefined;
    call.on("error", () => {});
    // grpc-js says so of every call that closes.
    call.once("cancelled", () => call.writableEnded || log.push("attach cancelled"));
    call.on("data", (request: ext.AttachRequest) => {
      const { payload } = request;
      logInput(payload);
      if (payload.case !== "start") return guest?.(payload);
      try {
        const vm = find(payload.value.target);
        const { terminal } = payload.value;
        log.push(`attach${terminal === undefined ? "" : ` ${terminal.columns}x${terminal.rows}`}`);
        if (imageOf(vm) === "init") {
          throw failure(status.FAILED_PRECONDITION, "failed_precondition", "it runs an init", {
            boot: "init",
          });
        }
        guest = startGuest({
          command: vm.process?.command ?? [],
          call,
          send: (payload) =>
            payload.case === "error" || call.write(create(ext.AttachResponseSchema, { payload })),
          onExit: (code) => {
            vm.state = ext.State.EXITED;
            vm.exit = create(ext.ExitSchema, { code, reason: "exit" });
            change();
          },
        });
      } catch (error) {
        call.emit("error", error);
      }
    });
  };

  const exec = (call: Exec) => {
    let guest: ((payload: Input) => void) | undefined;
    call.on("error", () => {});
    call.once("cancelled", () => call.writableEnded || log.push("exec cancelled"));
    call.on("data", ({ payload }: ext.ExecRequest) => {
      if (payload.case !== "start") {
        logInput(payload);
        guest?.(payload);
        return;
      }
      const { target, cmd, args, env, cwd, user, terminal, hasStdin } = payload.value;
      try {
        find(target);
        const words = [cmd, ...args, ...Object.entries(env).map(([key, value]) => `${key}=${value}`)];
        const size = terminal === undefined ? "" : `${terminal.columns}x${terminal.rows}`;
        log.push(["exec", ...words, cwd, user, size, hasStdin ? "stdin" : ""].filter(Boolean).join(" "));
        const send: FakeProcess["send"] = (answer) =>
          call.write(create(ext.ExecResponseSchema, { payload: answer }));
        guest = startGuest({ command: [cmd, ...args], call, send, onExit: () => {} });
      } catch (error) {
        call.emit("error", error);
      }
    });
  };

  const logInput = (payload: ext.AttachRequest["payload"] | Input) => {
    if (payload.case === "signal") log.push(`signal ${payload.value}`);
    if (payload.case === "resize") log.push(`resize ${payload.value.columns}x${payload.value.rows}`);
    if (payload.case === "stdinEof") log.push("stdin_eof");
  };

  const startGuest = ({ command, call, send, onExit }: FakeProcess) => {
    const [program = "", argument = ""] = command;
    const write = (text: string | Uint8Array) => send({ case: "stdout", value: Buffer.from(text) });
    const exit = (code: number) => {
      onExit(code);
      send({ case: "exitCode", value: code });
      call.end();
    };
    const flood = (left: number): void => {
      if (call.cancelled) return;
      if (left <= 0) {
        exit(0);
        return;
      }
      counts.flooded += FLOOD_CHUNK.length;
      if (write(FLOOD_CHUNK)) setImmediate(flood, left - FLOOD_CHUNK.length);
      else call.once("drain", () => flood(left - FLOOD_CHUNK.length));
    };
    if (program === "exit") exit(Number(argument));
    if (program === "flood") flood(Number(argument));
    if (program === "err") {
      send({ case: "stderr", value: Buffer.from("oops\n") });
      exit(1);
    }
    if (program === "refused") {
      send({ case: "error", value: "no such user" });
      exit(126);
    }
    if (program === "hang-up") call.end();
    return (payload: Input) => {
      if (program === "cat" && payload.case === "stdin") write(payload.value);
      if (program === "cat" && payload.case === "stdinEof") exit(Number(argument));
      if (program === "trap" && payload.case === "signal") exit(40);
    };
  };

  const consoleCall = (call: ServerDuplexStream<ext.ConsoleRequest, ext.ConsoleResponse>) => {
    let vm: ext.MicroVM | undefined;
    call.on("error", () => {});
    call.on("data", ({ payload }: ext.ConsoleRequest) => {
      if (payload.case === "start") {
        vm = find(payload.value.target);
        log.push("console");
        call.write(create(ext.ConsoleResponseSchema, { data: Buffer.from("login: ") }));
      }
      if (payload.case !== "data") return;
      const text = Buffer.from(payload.value).toString();
      call.write(create(ext.ConsoleResponseSchema, { data: payload.value }));
      if (!text.includes("poweroff") || vm === undefined) return;
      vm.state = ext.State.EXITED;
      change();
      call.end();
    });
  };

  const settle = (vm: ext.MicroVM) => {
    const next = settledState(vm);
    if (vm.state !== ext.State.PENDING || next === undefined) return;
    setImmediate(() => {
      vm.state = next;
      vm.timings = [create(ext.TimingSchema, { step: "boot", ms: 12 })];
      if (next === ext.State.FAILED) {
        vm.failure = create(ext.FailureSchema, {
          step: "start",
          code: "provider_failed",
          message: "no such device",
        });
      }
      change();
    });
  };

  const logs = (call: ServerWritableStream<ext.LogsRequest, ext.LogsResponse>) => {
    call.write(create(ext.LogsResponseSchema, { data: Buffer.from("kernel: hello\r\nkernel: panic\r\n") }));
    call.end();
  };

  const images = implement({
    list: () => ({
      images: [create(ImageSchema, { reference: "alpine:3", digest: `sha256:${"ab".repeat(32)}` })],
    }),
    remove: () => {
      throw failure(status.FAILED_PRECONDITION, "failed_precondition", "alpine:3 is in use by default/web");
    },
  });
  const pull = (call: ServerWritableStream<{ reference: string }, unknown>) => {
    const { reference } = call.request;
    log.push(`pull ${reference}`);
    if (reference === "missing") {
      call.emit("error", failure(status.NOT_FOUND, "not_found", `image ${reference} not found`));
      return;
    }
    if (reference === "far-away/x") {
      call.emit("error", failure(status.UNAVAILABLE, "unavailable", "registry far-away cannot be reached"));
      return;
    }
    const progress = { stage: "download", digest: "sha256:0123456789abcdef", doneBytes: 5n, totalBytes: 10n };
    call.write(create(PullResponseSchema, { payload: { case: "progress", value: progress } }));
    call.write(create(PullResponseSchema, { payload: { case: "image", value: { reference, layers: 1 } } }));
    call.end();
  };
  const load = (call: ServerDuplexStream<{ payload: { case?: string; value?: Uint8Array } }, unknown>) => {
    call.on("data", ({ payload }) => {
      if (payload.case === "data") counts.loaded += payload.value?.length ?? 0;
    });
    call.on("end", () => {
      call.write(
        create(PullResponseSchema, { payload: { case: "image", value: { reference: "loaded:1" } } }),
      );
      call.end();
    });
  };
  const host = implement({
    info: () => create(InfoResponseSchema, { version: "9.9.9", accelerator: "tcg", defaultProvider: "qemu" }),
  });
  const check = (call: ServerWritableStream<unknown, unknown>) => {
    call.write(
      create(CheckResponseSchema, { name: "kvm", result: "warn", detail: "not usable", hint: "use TCG" }),
    );
    call.write(
      create(CheckResponseSchema, { name: "boot", result: "fail", detail: "no\x1b[31m answer", ms: 1500 }),
    );
    call.end();
  };

  const server = new Server();
  server.addService(definitionOf(ext.MicroVMs), {
    ...microvms,
    wait,
    probe,
    attach,
    exec,
    logs,
    console: consoleCall,
  });
  server.addService(definitionOf(Images), { ...images, pull, load });
  server.addService(definitionOf(Host), { ...host, check });
  await new Promise<void>((resolve, reject) => {
    const bound = (error: Error | null) => (error ? reject(error) : resolve());
    server.bindAsync(address.replace("unix://", "unix:"), ServerCredentials.createInsecure(), bound);
  });
  return {
    address,
    vms,
    log,
    flooded: () => counts.flooded,
    loaded: () => counts.loaded,
    [Symbol.asyncDispose]: async () => {
      server.forceShutdown();
      await rm(directory, { recursive: true, force: true });
    },
  };
};

const imageOf = (vm: ext.MicroVM): string => vm.microvm?.spec?.rootVolume?.source?.containerSource ?? "";

/** `broken` fails, `slow` never settles, all others run. */
const settledState = (vm: ext.MicroVM): ext.State | undefined => {
  if (imageOf(vm) === "slow") return undefined;
  return imageOf(vm) === "broken" ? ext.State.FAILED : ext.State.RUNNING;
};

const isReached = (vm: ext.MicroVM, condition: string): boolean => {
  if (condition === "settled") return vm.state !== ext.State.PENDING;
  if (condition === "running") return vm.state === ext.State.RUNNING;
  if (condition === "stopped") return vm.state === ext.State.STOPPED;
  if (condition === "paused") return vm.state === ext.State.PAUSED;
  return condition === "exited" && vm.state === ext.State.EXITED;
};
