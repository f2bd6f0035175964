/** What to do about a microVM that is not as it should be. */
import { ext } from "@flintlock/client";
import { nameOf } from "./microvm-view.ts";

/** Undefined when nothing is wrong with it. */
export const adviceFor = (vm: ext.MicroVM): string | undefined => {
  const name = nameOf(vm);
  const { failure, exit, state } = vm;
  // What went wrong before somebody stopped it is over.
  if (state === ext.State.STOPPED || state === ext.State.DELETING) return undefined;
  if (vm.reason === "crash-looping") {
    return `Its guest ends soon after each start. Read flintlock logs ${name}, mend the image or its command, or let it be: flintlock modify --restart no ${name}`;
  }
  if (failure !== undefined)
    return `${forFailure(failure, vm)}${state === ext.State.FAILED ? ` Then: flintlock start ${name}` : ""}`;
  if (state !== ext.State.EXITED) return undefined;
  if (exit?.code === 0) return `It has done what it was made for. Once more: flintlock start ${name}`;
  return `Read flintlock logs ${name}, and start it again: flintlock start ${name}`;
};

const forFailure = ({ step, code }: ext.Failure, vm: ext.MicroVM): string => {
  if (step === "awaitCondition")
    return `Its guest came up, and not as far as --ready asks. Read flintlock logs ${nameOf(vm)}; or give it more time: --ready-timeout.`;
  if (step === "adjustMachine")
    return `It runs as it was, and is changed at its next start: flintlock restart ${nameOf(vm)}`;
  if (step === "pullImage") {
    const image = vm.microvm?.spec?.rootVolume?.source?.containerSource ?? "IMAGE";
    if (code === "unavailable")
      return `Can its registry be reached from the daemon's host? flintlock pull ${image}`;
    return `Is the image's name right, and may the daemon have it? flintlock pull ${image}`;
  }
  return BY_CODE[code] ?? "Read the daemon's log around that time.";
};

/** The codes of docs/errors.md. */
const BY_CODE: Readonly<Record<string, string>> = {
  invalid_spec: "Create it anew with what the message asks for.",
  unsupported: "flintlock doctor tells what this host and its providers can do.",
  exhausted: "Make room on the host: flintlock image prune, flintlock rm.",
  deadline_exceeded:
    "The guest did not come up in time. Its console tells how far it came; a busy host, or one without KVM, takes longer.",
  failed_precondition: "Mend what the message names.",
  provider_failed: "The VMM's words tell more. flintlock doctor boots a probe with each provider.",
};
