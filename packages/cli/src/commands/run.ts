import type { Client, ext } from "@flintlock/client";
import { attachSession } from "../attach-session.ts";
import { createMicroVM, pullImages, waitSettled } from "../boot.ts";
import { CliError, codeOf, Interrupted, usageError } from "../cli-error.ts";
import { keepSeparator, runTarget } from "../command-separator.ts";
import { consoleSession } from "../console-session.ts";
import type { Context } from "../context.ts";
import { deadline } from "../deadline.ts";
import { EXIT } from "../exit-codes.ts";
import { holdInput } from "../held-input.ts";
import { lastLines } from "../last-lines.ts";
import { microvmView, nameOf, uidOf } from "../microvm-view.ts";
import { removeMicroVM } from "../remove.ts";
import { exitOf, isInitBoot, waitExited } from "../session-end.ts";
import { isInteractive } from "../terminal.ts";
import type { Verb } from "../verb.ts";
import { addVmFlags, createRequest, type VmFlags } from "../vm-flags.ts";

interface RunFlags extends VmFlags {
  readonly detach?: boolean;
  readonly rm?: boolean;
  readonly tty?: boolean;
}

/** How long a microVM may take to go away before we leave it to the daemon and say so. */
const REMOVE_DEADLINE_MS = 30_000;

export const run: Verb = {
  failureCode: EXIT.notRun,

  configure: (command) => {
    command
      .usage("[flags] [IMAGE] [-- CMD…]")
      .argument("[image]", "image reference; the bundled one when absent")
      .argument("[command...]", "instead of the image's own command")
      .passThroughOptions();
    keepSeparator(command);
    command
      .option("-d, --detach", "leave it running and print its uid")
      .option("--rm", "remove it when it ends, even if it has a name")
      .option("--tty", "give the command a terminal")
      .option("--no-tty", "give the command no terminal");
    addVmFlags(command);
  },

  run: async (context, command) => {
    const flags = command.opts<RunFlags>();
    const isDetached = flags.detach === true;
    if (isDetached && flags.rm) {
      throw usageError("--rm and --detach: nobody stays to remove the microVM", "flintlock rm NAME, later");
    }
    if (!isDetached && flags.ready !== undefined) {
      throw usageError("--ready: a command that is attached is joined at once", "add --detach");
    }
    const isTty = !isDetached && (flags.tty ?? isInteractive(context.io));
    const request = await createRequest(context, flags, runTarget(command.args), {
      isAttached: !isDetached,
      isTty,
    });
    const isEphemeral = !isDetached && (flags.rm === true || !request.microvm?.id);
    if (isEphemeral && flags.restart !== undefined && flags.restart !== "no") {
      throw usageError(
        `--restart ${flags.restart}: a microVM that is removed when it ends does not restart`,
        "add --detach",
      );
    }
    const client = await context.connect();
    const created = await createMicroVM(client, await pullImages(context, client, request));
    context.interrupts.leftBehind = () =>
      `left behind: microVM ${nameOf(created)}; remove it with: flintlock rm ${uidOf(created)}`;

    const vm = await settle(context, client, created, isEphemeral);
    if (isDetached) {
      const { output, isQuiet } = context.globals;
      if (output === undefined && !isQuiet) await context.print(`${uidOf(vm)}\n`);
      else await context.printList(microvmView([vm]), [vm]);
      return EXIT.success;
    }
    return session(context, client, vm, isTty, isEphemeral);
  },
};

/** Up to a running guest. What the user interrupts, and what fails unnamed, is removed again. */
const settle = async (
  context: Context,
  client: Client,
  vm: ext.MicroVM,
  isEphemeral: boolean,
): Promise<ext.MicroVM> => {
  try {
    context.signal.throwIfAborted();
    return await waitSettled(context, client, vm);
  } catch (error) {
    const isStopped = context.signal.aborted;
    if (!isStopped && !isEphemeral) throw error;
    const console = isStopped ? "" : await lastLines(client, uidOf(vm), "console");
    await remove(context, client, vm, isStopped);
    if (!(error instanceof CliError)) throw error;
    throw new CliError(error.code, error.message, {
      why: console === "" ? error.why : [error.why, "the console's last lines:", console].join("\n"),
      hint: "flintlock doctor checks this host; with --name the microVM stays for a closer look",
      cause: error,
    });
  }
};

const session = async (
  context: Context,
  client: Client,
  vm: ext.MicroVM,
  isTty: boolean,
  isEphemeral: boolean,
): Promise<number> => {
  const target = { target: uidOf(vm), namespace: "" };
  const held = holdInput();
  let isOver = true;
  try {
    return await attachSession(context, client, { ...target, isTty, held });
  } catch (error) {
    if (context.signal.aborted) throw error;
    if (isInitBoot(error, held.isReleased())) {
      isOver =
        (await consoleSession(context, client, { ...target, title: nameOf(vm), firstInput: held.bytes })) ===
        "closed";
      if (isOver) return await waitExited(client, target.target, context.signal);
      context.note(`microVM ${nameOf(vm)} keeps running; flintlock console ${nameOf(vm)} returns to it`);
      return EXIT.success;
    }
    const code = ["failed_precondition", "unavailable"].includes(codeOf(error))
      ? await exitOf(client, target.target)
      : undefined;
    if (code === undefined) throw error;
    return code;
  } finally {
    if (isEphemeral && isOver)
      await remove(context, client, vm, context.signal.reason instanceof Interrupted);
  }
};

/** Never throws: what cannot be removed is told, and does not hide how the command ended. */
const remove = async (context: Context, client: Client, vm: ext.MicroVM, isTold: boolean): Promise<void> => {
  try {
    await removeMicroVM(client, uidOf(vm), "", deadline(REMOVE_DEADLINE_MS));
    if (isTold) context.note(`removed microVM ${nameOf(vm)}`);
  } catch (error) {
    if (codeOf(error) === "not_found") return;
    const why = error instanceof Error ? error.message : String(error);
    context.io.stderr.write(
      `left behind: microVM ${nameOf(vm)} (${why}); remove it with: flintlock rm ${uidOf(vm)}\n`,
    );
  }
};
