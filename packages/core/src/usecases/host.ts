/** What this host can do, and the proof: the last check boots a VM. */
import type { CreateInput } from "../domain/create-input.ts";
import { toFlintlockError } from "../domain/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { HostCheck, HostInfo, HostUseCases, MicroVMUseCases } from "./api.ts";

/** One question to the host. */
export interface HostProbe {
  readonly name: string;
  /** Throws a `FlintlockError` when the answer is no: its message and hint are shown. */
  run(
    signal: AbortSignal,
  ): Promise<{ readonly result: "ok" | "warn"; readonly detail: string; readonly hint?: string }>;
}

export interface HostParts {
  readonly info: () => Promise<HostInfo>;
  readonly probes: readonly HostProbe[];
  readonly microvms: MicroVMUseCases;
  readonly clock: Clock;
}

export const hostUseCases = (parts: HostParts): HostUseCases => ({
  info: parts.info,
  async *check(signal) {
    for (const probe of [...parts.probes, bootProbe(parts.microvms)])
      yield await timed(probe, parts.clock, signal);
  },
});

const timed = async (probe: HostProbe, clock: Clock, signal: AbortSignal): Promise<HostCheck> => {
  const started = clock.monotonic();
  const ms = () => clock.monotonic() - started;
  try {
    const { result, detail, hint = "" } = await probe.run(signal);
    return { name: probe.name, result, detail, hint, ms: ms() };
  } catch (error) {
    const { message, hint = "" } = toFlintlockError(error);
    return { name: probe.name, result: "fail", detail: message, hint, ms: ms() };
  }
};

/** Boots the bundled image, runs a command in it, and deletes it again. */
const bootProbe = (microvms: MicroVMUseCases): HostProbe => ({
  name: "boot",
  async run(signal) {
    const vm = await microvms.create(PROBE);
    const target = { target: vm.uid, namespace: "" };
    try {
      const session = await microvms.attach(target, undefined, signal);
      const text: string[] = [];
      for await (const item of session.output) {
        if (item.kind === "exit" && item.code !== 0)
          return { result: "warn", detail: `the guest answered exit ${item.code}` };
        if (item.kind === "stdout") text.push(latin1(item.bytes));
      }
      return { result: "ok", detail: `a probe microVM booted: ${text.join("").trim().slice(0, 200)}` };
    } finally {
      // Whoever asked may have gone: the probe goes all the same.
      await microvms.delete(target);
      if (!signal.aborted) {
        for await (const record of microvms.watch(target, signal)) if (record === undefined) break;
      }
    }
  },
});

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes.subarray(0, 512));

/** Probe VMs live here; one that is found at start is left over from a daemon that died, and nobody waits for it. */
export const PROBE_NAMESPACE = "flintlock-probe";

const PROBE: CreateInput = {
  id: "",
  namespace: PROBE_NAMESPACE,
  labels: {},
  vcpu: 1,
  memoryInMb: 128,
  kernel: undefined,
  initrd: undefined,
  rootVolume: undefined,
  additionalVolumes: [],
  interfaces: [],
  metadata: {},
  provider: "",
  allowGuestAgent: false,
  extension: {
    command: ["uname", "-sr"],
    entrypoint: undefined,
    env: {},
    user: "",
    cwd: "",
    tty: false,
    attach: true,
    ports: [],
    restart: "no",
    pull: "",
  },
};
