/** From a request to a microVM that runs, ended or failed, with progress. */

import { type Client, ext } from "@flintlock/client";
import { CliError } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { deadline } from "./deadline.ts";
import { nameOf, uidOf } from "./microvm-view.ts";
import { followPull } from "./pull.ts";
import { formatDuration } from "./units.ts";

/** `Create` only stores a record; it gets this long even when we are told to stop, see `createMicroVM`. */
const CREATE_DEADLINE_MS = 15_000;

const imagesOf = ({ microvm }: ext.CreateRequest): readonly string[] => [
  ...new Set(
    [microvm?.rootVolume?.source?.containerSource, microvm?.kernel?.image, microvm?.initrd?.image].filter(
      (image): image is string => Boolean(image),
    ),
  ),
];

/**
 * Fetches what the request names, where its progress can be seen, and returns the request that asks for no
 * second fetch. @throws ClientError
 */
export const pullImages = async (
  context: Context,
  client: Client,
  request: ext.CreateRequest,
): Promise<ext.CreateRequest> => {
  const { pull: policy } = request;
  if (policy === "never") return request;
  for (const reference of imagesOf(request)) {
    const responses = client.images.pull({ reference, policy }, { signal: context.signal });
    await followPull(context, reference, "pulled", responses);
  }
  return { ...request, pull: "missing" };
};

/**
 * Stores the microVM. Not cancelled by the context's signal: a call broken off half way could leave a microVM
 * whose uid we never learnt, and could not remove.
 */
export const createMicroVM = (client: Client, request: ext.CreateRequest): Promise<ext.MicroVM> =>
  client.microvms.create(request, { signal: deadline(CREATE_DEADLINE_MS) });

/**
 * Waits until the microVM is anything but pending.
 * @throws CliError with the failure's code – it failed
 */
export const waitSettled = async (
  context: Context,
  client: Client,
  vm: ext.MicroVM,
): Promise<ext.MicroVM> => {
  const progress = context.progress();
  const startedMs = Date.now();
  let last = vm;
  try {
    progress.update(nameOf(vm), { stage: "create" });
    const changes = client.microvms.wait(
      { target: uidOf(vm), condition: "settled" },
      { signal: context.signal },
    );
    for await (const change of changes) {
      last = change;
      const retries = change.microvm?.status?.retry ?? 0;
      const stage = STAGES.get(change.state) ?? "boot";
      progress.update(nameOf(vm), { stage: retries > 0 ? `${stage}, attempt ${retries + 1}` : stage });
    }
  } finally {
    progress.end();
  }
  if (last.state === ext.State.FAILED) throw failureOf(last);
  if (context.globals.isVerbose) {
    context.note(`${nameOf(vm)}: settled after ${formatDuration(Date.now() - startedMs)}`);
    for (const { step, ms } of last.timings) context.note(`  ${step.padEnd(20)} ${formatDuration(ms)}`);
  }
  return last;
};

const STAGES: ReadonlyMap<ext.State, string> = new Map([
  [ext.State.RUNNING, "ready"],
  [ext.State.PAUSED, "paused"],
  [ext.State.STOPPED, "stopped"],
  [ext.State.EXITED, "ended"],
  [ext.State.FAILED, "failed"],
  [ext.State.DELETING, "deleting"],
]);

const failureOf = (vm: ext.MicroVM): CliError => {
  const { step = "", code = "provider_failed", message = "no reason was given" } = vm.failure ?? {};
  const where = step === "" ? "" : ` at step ${step}`;
  return new CliError(code || "provider_failed", `microVM ${nameOf(vm)} failed${where}`, {
    why: message,
    hint: "flintlock logs shows its console, flintlock doctor checks this host",
  });
};
