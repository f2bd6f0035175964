/** From a wish to a microVM whose guest runs. */
import { text } from "node:stream/consumers";
import type { Image, Progress } from "@flintlock/api";
import { ClientError } from "./client-error.ts";
import { type CreateOptions, createRequest } from "./create-options.ts";
import type { Abortable, DaemonLink } from "./daemon-link.ts";
import { abortError } from "./from-grpc.ts";
import type { ImageStore } from "./image-store.ts";
import { MicroVM } from "./microvm.ts";
import { stateError } from "./microvm-state.ts";
import type { MicroVMStore } from "./microvm-store.ts";

export interface RunOptions extends CreateOptions, Abortable {
  /** Of the image's download */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

export interface RunParts {
  readonly link: DaemonLink;
  readonly images: ImageStore;
  readonly microvms: MicroVMStore;
}

/** Programs that have nothing to do without somebody to talk to, and end at once. */
const SHELLS: ReadonlySet<string> = new Set(["sh", "ash", "bash", "dash", "ksh", "zsh"]);
const CONSOLE_LINES = 8;
const CONSOLE_MS = 3_000;

/** @throws ClientError – among others, with the failure's code and `step`: the guest did not come up; it is deleted then */
export const runMicroVM = async (
  { link, images, microvms }: RunParts,
  { signal, onProgress, ...options }: RunOptions,
): Promise<MicroVM> => {
  createRequest(options); // What makes no sense is told before anything is fetched.
  const image = await pulled(images, options, { signal, onProgress });
  const isPulled = image !== undefined;
  const created = await microvms.create({
    ...options,
    ...(isPulled && { pull: "missing" }),
    ...(options.attach === undefined && isIdle(options, image) && { attach: true }),
  });
  const vm = new MicroVM(link, created.message, true);
  try {
    if (signal?.aborted) throw abortError(signal);
    await vm.wait("settled", { signal });
    if (vm.state === "failed" || vm.state === "deleting") throw stateError(vm.message, await lastLines(vm));
    return vm;
  } catch (error) {
    await removed(vm, error);
    throw error;
  }
};

/** Undefined where none was named, or its fetch is left to the daemon. */
const pulled = async (
  images: ImageStore,
  { image, pull = "missing" }: CreateOptions,
  options: Pick<RunOptions, "signal" | "onProgress">,
): Promise<Image | undefined> => {
  if (image === undefined || pull === "never") return undefined;
  return images.pull(image, { policy: pull, ...options });
};

/** No command was given, and the image's is a shell: the guest is there for `exec`, and the shell for who attaches. */
const isIdle = (
  { image: named, command, entrypoint, request }: CreateOptions,
  image: Image | undefined,
): boolean => {
  if (command !== undefined || entrypoint !== undefined || request !== undefined) return false;
  if (named === undefined) return true;
  const [program = "", ...more] = [...(image?.entrypoint ?? []), ...(image?.cmd ?? [])];
  return more.length === 0 && SHELLS.has(program.split("/").at(-1) ?? "");
};

/** Of the console, for the error: it goes with the microVM. */
const lastLines = async (vm: MicroVM): Promise<string | undefined> => {
  const signal = AbortSignal.timeout(CONSOLE_MS);
  const words = await text(vm.logs({ tail: CONSOLE_LINES, signal })).catch(() => "");
  return words.trim() === "" ? undefined : words.replaceAll("\r", "").trim();
};

const removed = async (vm: MicroVM, cause: unknown): Promise<void> => {
  try {
    await vm[Symbol.asyncDispose]();
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    const first = cause instanceof Error ? cause.message : String(cause);
    throw new ClientError("internal", `${first}; microVM ${vm.name} (${vm.uid}) is left behind: ${words}`, {
      detail: { name: vm.name, uid: vm.uid },
      cause,
    });
  }
};
