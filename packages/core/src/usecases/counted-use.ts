/**
 * The use cases, with word of who uses which guest, from the request on until the session is over. Sessions count: attach,
 * exec, forward, console, copies and what goes by the agent's ports. Looking at records, logs and metrics, and probes do not.
 */
import type { Uid } from "../domain/units.ts";
import type { Uses } from "../reconcile/expirer.ts";
import type { MicroVMUseCases, Target } from "./api.ts";

export const countedUse = (microvms: MicroVMUseCases, uses: Uses): MicroVMUseCases => {
  const during = async <T extends AsyncDisposable>(uid: Uid, open: () => Promise<T>): Promise<T> => {
    const end = uses.begin(uid);
    try {
      const session = await open();
      return {
        ...session,
        [Symbol.asyncDispose]: async () => {
          end();
          await session[Symbol.asyncDispose]();
        },
      };
    } catch (error) {
      end();
      throw error;
    }
  };
  const by = async <T extends AsyncDisposable>(target: Target, open: () => Promise<T>): Promise<T> =>
    await during((await microvms.get(target)).uid, open);
  const byUid = async <T extends AsyncDisposable>(uid: string, open: () => Promise<T>): Promise<T> =>
    await during((await microvms.getByUid(uid)).uid, open);
  return {
    ...microvms,
    attach: (target, terminal, signal) => by(target, () => microvms.attach(target, terminal, signal)),
    exec: (target, input, signal) => by(target, () => microvms.exec(target, input, signal)),
    execByUid: (uid, input, signal) => byUid(uid, () => microvms.execByUid(uid, input, signal)),
    connectByUid: (uid, port, signal) => byUid(uid, () => microvms.connectByUid(uid, port, signal)),
    forward: (target, port, signal) => by(target, () => microvms.forward(target, port, signal)),
    console: (target, signal) => by(target, () => microvms.console(target, signal)),
    async *copyOut(target, request, signal) {
      const end = uses.begin((await microvms.get(target)).uid);
      try {
        yield* microvms.copyOut(target, request, signal);
      } finally {
        end();
      }
    },
    async copyIn(target, request, archive, signal) {
      const end = uses.begin((await microvms.get(target)).uid);
      try {
        await microvms.copyIn(target, request, archive, signal);
      } finally {
        end();
      }
    },
  };
};
