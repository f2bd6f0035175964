/** How a guest ended, when the session itself did not say. */

import { type Client, ClientError, ext } from "@flintlock/client";
import { deadline } from "./deadline.ts";
import { EXIT } from "./exit-codes.ts";

const ASK_DEADLINE_MS = 5_000;

/**
 * The guest runs an init system: there is no main process to attach to. A daemon says so with `boot=init`;
 * one that does not has still refused, before a byte came, a session that was asked for at creation.
 */
export const isInitBoot = (error: unknown, hasAnswered: boolean): boolean =>
  error instanceof ClientError &&
  error.code === "failed_precondition" &&
  (error.detail["boot"] === "init" || !hasAnswered);

/** The recorded exit code of a microVM that ended; undefined while it runs, or when none was reported. */
export const exitOf = async (client: Client, target: string): Promise<number | undefined> => {
  const vm = await client.microvms
    .get({ target }, { signal: deadline(ASK_DEADLINE_MS) })
    .catch(() => undefined);
  return vm?.state === ext.State.EXITED || vm?.state === ext.State.STOPPED ? vm.exit?.code : undefined;
};

/** As a shell has it for a process that was killed: 128 + SIGKILL */
const KILLED = 137;
const POWERED_OFF = "guest powered off";

/** The guest's own code. One that powers off without a word has ended well; whatever else ends it has not. */
export const codeOfExit = (exit: ext.Exit | undefined): number =>
  exit?.code ?? (exit === undefined || exit.reason === POWERED_OFF ? EXIT.success : KILLED);

/** Waits for the end. @throws ClientError */
export const waitExited = async (client: Client, target: string, signal: AbortSignal): Promise<number> => {
  let exit: ext.Exit | undefined;
  for await (const vm of client.microvms.wait({ target, condition: "exited" }, { signal })) exit = vm.exit;
  return codeOfExit(exit);
};
