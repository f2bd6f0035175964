/** `microvm.services.api.v1alpha1.MicroVM`: upstream's contract, word for word where a client may look. */
import { create } from "@bufbuild/protobuf";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { wire } from "@flintlock/api";
import type { ListFilter, MicroVMUseCases } from "@flintlock/core";
import { createInputOf } from "../convert/create-input.ts";
import { encodedMicroVM, encodedMicroVMs } from "../convert/record-cache.ts";
import { invalidRequest } from "../errors.ts";
import { type BoundService, bindService } from "../service.ts";

export const v1alpha1Service = (microvms: MicroVMUseCases): BoundService =>
  bindService(wire.MicroVM, {
    createMicroVM: async ({ microvm }) => {
      if (microvm === undefined) {
        throw invalidRequest("microvm", "invalid create microvm request: MicroVMSpec required");
      }
      return encodedMicroVM(await microvms.create(createInputOf(microvm, undefined)));
    },
    deleteMicroVM: async ({ uid }) => {
      if (uid === "") throw invalidRequest("uid", "invalid request");
      await microvms.deleteByUid(uid);
      return create(EmptySchema);
    },
    getMicroVM: async ({ uid }) => {
      if (uid === "") throw invalidRequest("uid", "invalid request");
      return encodedMicroVM(await microvms.getByUid(uid));
    },
    listMicroVMs: async (request) => encodedMicroVMs(await microvms.list(filterOf(request))),
    listMicroVMsStream: async function* (request) {
      // COMPAT: unlike the list, the stream wants a namespace
      if (request.namespace === "") throw invalidRequest("namespace", "invalid request");
      for (const vm of await microvms.list(filterOf(request))) yield encodedMicroVM(vm);
    },
  });

/** An empty name is no filter, as upstream. */
const filterOf = (request: wire.ListMicroVMsRequest): ListFilter => ({
  namespace: request.namespace,
  name: request.name === "" ? undefined : request.name,
  labels: {},
});
