/**
 * `microvm.services.api.v1alpha1.MicroVM` as it was first published (v0.1.0-alpha.1 and alpha.2), over the same core:
 * what it makes is seen by today's API, and the other way round. docs/legacy-api.md has what is different.
 */
import { create } from "@bufbuild/protobuf";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { legacyWire } from "@flintlock/api";
import type { MicroVM, MicroVMUseCases } from "@flintlock/core";
import { legacyCreateInput } from "../../convert/legacy/create-input.ts";
import { inLegacyNames } from "../../convert/legacy/field-names.ts";
import { legacyMicroVM, legacySpec } from "../../convert/legacy/microvm.ts";
import { splitVolumes } from "../../convert/legacy/volumes.ts";
import { invalidRequest } from "../../errors.ts";
import { type BoundService, bindService } from "../../service.ts";
import { findNamed } from "./named.ts";
import { updateMicroVM } from "./update.ts";

export const legacyV1alpha1Service = (): BoundService =>
  bindService(legacyWire.MicroVM, {
    createMicroVM: async ({ microvm }, { useCases: { microvms } }) => {
      if (microvm === undefined) {
        throw invalidRequest("microvm", "invalid create microvm request: MicroVMSpec required");
      }
      const volumes = splitVolumes(microvm.volumes, microvm.initrd !== undefined);
      const vm = await inLegacyNames(volumes, () => microvms.create(legacyCreateInput(microvm, volumes)));
      return create(legacyWire.CreateMicroVMResponseSchema, { microvm: legacySpec(vm) });
    },
    updateMicroVM: async ({ microvm, updateMask }, { useCases: { microvms } }) => {
      if (microvm === undefined) {
        throw invalidRequest("microvm", "invalid update microvm request: MicroVMSpec required");
      }
      const vm = await updateMicroVM(microvms, microvm, updateMask?.paths ?? []);
      return create(legacyWire.UpdateMicroVMResponseSchema, { microvm: legacySpec(vm) });
    },
    deleteMicroVM: async (request, { useCases: { microvms } }) => {
      const { uid } = await findNamed(microvms, request);
      await microvms.deleteByUid(uid);
      return create(EmptySchema);
    },
    getMicroVM: async (request, { useCases: { microvms } }) =>
      create(legacyWire.GetMicroVMResponseSchema, {
        microvm: legacyMicroVM(await findNamed(microvms, request)),
      }),
    listMicroVMs: async ({ namespace }, { useCases: { microvms } }) =>
      create(legacyWire.ListMicroVMsResponseSchema, {
        microvm: (await listIn(microvms, namespace)).map(legacyMicroVM),
      }),
    listMicroVMsStream: async function* ({ namespace }, { useCases: { microvms } }) {
      for (const vm of await listIn(microvms, namespace)) {
        yield create(legacyWire.ListMessageSchema, { microvm: legacySpec(vm) });
      }
    },
  });

/** COMPAT: unlike today's, the list wants a namespace too. */
const listIn = async (microvms: MicroVMUseCases, namespace: string): Promise<readonly MicroVM[]> => {
  if (namespace === "") throw invalidRequest("namespace", "namespace is required");
  return await microvms.list({ namespace, name: undefined, labels: {} });
};
