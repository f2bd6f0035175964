/** Boots the bundled image, runs a command in it, and deletes it again. It needs no network. */
import type { CreateInput } from "../domain/create-input.ts";
import { FlintlockError } from "../domain/errors.ts";
import type { MicroVM, ProviderName } from "../domain/microvm.ts";
import type { HostAnswer, MicroVMUseCases, Target } from "./api.ts";

/** `provider`: empty = the daemon's default; `onChosen` is told which that is. */
export const bootProbe =
  (
    microvms: MicroVMUseCases,
    provider: ProviderName | "",
    onChosen: (provider: ProviderName) => void = () => undefined,
  ) =>
  async (signal: AbortSignal): Promise<HostAnswer> => {
    const vm = await microvms.create({ ...PROBE, provider });
    onChosen(vm.spec.provider);
    const target = { target: vm.uid, namespace: "" };
    try {
      const { timings } = (await firstOutcome(microvms, target, signal)).status;
      const { code, text } = await outputOf(microvms, target, signal);
      if (code !== 0) return { result: "warn", detail: `the guest answered exit ${code}` };
      const bootMs = Math.round(timings["bootMachine"] ?? 0);
      const why = provider === "" ? ` (${vm.providerReason})` : "";
      return {
        result: "ok",
        detail: `a probe microVM booted on ${vm.spec.provider} in ${bootMs} ms: ${text}${why}`,
      };
    } finally {
      // Whoever asked may have gone: the probe goes all the same.
      await microvms.delete(target);
      if (!signal.aborted) {
        for await (const record of microvms.watch(target, signal)) if (record === undefined) break;
      }
    }
  };

/** The record once the guest runs, or has run. The first failed attempt is an answer: who asks does not want ten. */
const firstOutcome = async (
  microvms: MicroVMUseCases,
  target: Target,
  signal: AbortSignal,
): Promise<MicroVM> => {
  for await (const vm of microvms.watch(target, signal)) {
    if (vm === undefined) break;
    if (vm.status.state === "created" || vm.status.state === "exited") return vm;
    const { failure } = vm.status;
    if (failure === undefined) continue;
    throw new FlintlockError(
      "failed_precondition",
      `${vm.spec.provider}: ${failure.step}: ${failure.message}${await lastWords(microvms, target, signal)}`,
      { hint: "the daemon's log tells more" },
    );
  }
  throw new FlintlockError("unavailable", "the probe microVM was deleted before it booted");
};

const outputOf = async (microvms: MicroVMUseCases, target: Target, signal: AbortSignal) => {
  await using session = await microvms.attach(target, undefined, signal);
  let text = "";
  for await (const item of session.output) {
    if (item.kind === "exit") return { code: item.code, text: text.trim().slice(0, MAX_ANSWER) };
    if (item.kind === "stdout" && text.length < MAX_ANSWER) text += latin1(item.bytes);
  }
  throw new FlintlockError("unavailable", "the guest's agent ended before the command did");
};

const MAX_ANSWER = 200;
const MAX_LAST_WORDS = 500;

/** What the guest's console ends with; empty when there is nothing. */
const lastWords = async (microvms: MicroVMUseCases, target: Target, signal: AbortSignal): Promise<string> => {
  let text = "";
  try {
    const options = { source: "console", follow: false, tail: 3, since: "" };
    for await (const { bytes } of microvms.logs(target, options, signal)) text += latin1(bytes);
  } catch {
    // It never had one.
  }
  const words = text.trim().slice(-MAX_LAST_WORDS);
  return words === "" ? "" : `; its console ends with: ${words}`;
};

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
