import { createMicroVM, pullImages, waitSettled } from "../boot.ts";
import { usageError } from "../cli-error.ts";
import { keepSeparator, runTarget } from "../command-separator.ts";
import { EXIT } from "../exit-codes.ts";
import { microvmView, nameOf, uidOf } from "../microvm-view.ts";
import type { Verb } from "../verb.ts";
import { addVmFlags, createRequest, type VmFlags } from "../vm-flags.ts";

interface CreateFlags extends VmFlags {
  readonly wait: boolean;
  readonly protect?: boolean;
}

export const create: Verb = {
  configure: (command) => {
    command
      .usage("[flags] [IMAGE] [-- CMD…]")
      .argument("[image]")
      .argument("[command...]")
      .passThroughOptions();
    keepSeparator(command);
    addVmFlags(command);
    command.option("--protect", "refuse its deletion until `modify --no-protect`");
    command.option("--no-wait", "return as soon as it is stored");
  },

  run: async (context, command) => {
    const flags = command.opts<CreateFlags>();
    const target = runTarget(command.args);
    if (flags.file !== undefined && target.image !== undefined && target.command.length === 0) {
      throw usageError(`--file and the image ${target.image} cannot go together`);
    }
    const request = await createRequest(context, flags, target, { isAttached: false, isTty: false });
    if (flags.protect) request.protected = true;
    const client = await context.connect();
    let vm = await createMicroVM(client, flags.wait ? await pullImages(context, client, request) : request);
    context.interrupts.leftBehind = () => `left: microVM ${nameOf(vm)} (${uidOf(vm)})`;
    if (flags.wait) vm = await waitSettled(context, client, vm);
    if (context.globals.output === undefined && !context.globals.isQuiet)
      await context.print(`${uidOf(vm)}\n`);
    else await context.printList(microvmView([vm]), [vm]);
    return EXIT.success;
  },
};
