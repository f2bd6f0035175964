/** A world with one microVM in it, and what can befall it. */
import type { CreateInput } from "@flintlock/core";
import { extension, settle, World, wireInput } from "./world.ts";

/** A microVM of `flintlock.v1` with this restart policy. */
export const restarting = (restart: string, maxRestarts = 0): Partial<CreateInput> => ({
  extension: extension({ restart, maxRestarts }),
});

/** A daemon with one microVM, settled; `reboot` and `nextDaemon` put another in its place. */
export const worldWithOne = async (input: Partial<CreateInput> = {}) => {
  const world = new World();
  let daemon = await world.daemon();
  const { uid } = await daemon.microvms.create(wireInput(input));
  await settle();
  const target = { target: uid, namespace: "" };
  const nextDaemon = async () => {
    await daemon.reconciler.close();
    daemon = await world.daemon();
    await settle();
  };
  const pass = async (ms: number) => {
    world.clock.advance(ms);
    await settle();
  };
  return {
    world,
    uid,
    target,
    pass,
    nextDaemon,
    /** Every VMM is gone, its files are there */
    reboot: async () => {
      await daemon.reconciler.close();
      world.provider.end(uid, undefined, "host restarted");
      await nextDaemon();
    },
    /** The guest ends by itself */
    end: async (code: number | undefined) => {
      world.provider.end(uid, code);
      await settle();
    },
    microvms: () => daemon.microvms,
    record: () => daemon.repository.get(uid),
    status: () => daemon.repository.get(uid).status,
    calls: () => world.provider.calls.map((call) => call.replace(` ${uid}`, "")),
  };
};
