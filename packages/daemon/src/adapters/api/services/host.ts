/** `flintlock.v1.Host`. */
import { create } from "@bufbuild/protobuf";
import { CheckResponseSchema, Host, InfoResponseSchema } from "@flintlock/api";
import { type BoundService, bindService } from "../service.ts";

export const hostService = (): BoundService =>
  bindService(Host, {
    info: async (_request, { useCases: { host } }) => {
      const { version, stateDir, pid, providers, defaultProvider, accelerator } = await host.info();
      return create(InfoResponseSchema, {
        version,
        stateDir,
        pid,
        providers: providers.map(({ name }) => name),
        defaultProvider,
        accelerator,
        availability: providers.map(({ name, isUsable, reason, hint = "" }) => ({
          provider: name,
          isUsable,
          reason,
          hint,
        })),
      });
    },
    check: async function* (_request, { signal, useCases: { host } }) {
      for await (const { name, result, detail, hint, ms } of host.check(signal)) {
        yield create(CheckResponseSchema, { name, result, detail, hint, ms });
      }
    },
  });
