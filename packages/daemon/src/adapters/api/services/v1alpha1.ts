/** `microvm.services.api.v1alpha1.MicroVM`: upstream's contract, word for word where a client may look. */
import { create } from "@bufbuild/protobuf";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { wire } from "@flintlock/api";
import type { ListFilter } from "@flintlock/core";
import { createInputOf } from "../convert/create-input.ts";
import { encodedMicroVM, encodedMicroVMs } from "../convert/record-cache.ts";
import { type GuestServices, serverInfo } from "../convert/server-info.ts";
import { invalidRequest } from "../errors.ts";
import { type BoundService, bindService } from "../service.ts";

export const v1alpha1Service = (guestServices: GuestServices): BoundService =>
  bindService(wire.MicroVM, {
    createMicroVM: async ({ microvm }, { useCases: { microvms } }) => {
      if (microvm === undefined) {
        throw invalidRequest("microvm", "invalid create microvm request: MicroVMSpec required");
      }
      return encodedMicroVM(await microvms.create(createInputOf(microvm, undefined)));
    },
    deleteMicroVM: async ({ uid }, { useCases: { microvms } }) => {
      if (uid === "") throw invalidRequest("uid", "invalid request");
      await microvms.deleteByUid(uid);
      return create(EmptySchema);
    },
    getMicroVM: async ({ uid }, { useCases: { microvms } }) => {
      if (uid === "") throw invalidRequest("uid", "invalid request");
      return encodedMicroVM(await microvms.getByUid(uid));
    },
    listMicroVMs: async (request, { useCases: { microvms } }) =>
      encodedMicroVMs(await microvms.list(filterOf(request))),
    listMicroVMsStream: async function* (request, { useCases: { microvms } }) {
      // COMPAT: unlike the list, the stream wants a namespace
      if (request.namespace === "") throw invalidRequest("namespace", "invalid request");
      for (const vm of await microvms.list(filterOf(request))) yield encodedMicroVM(vm);
    },
    serverInfo: async (_request, { useCases: { host } }) => serverInfo(await host.info(), guestServices),
  });

/** An empty name is no filter, as upstream. */
const filterOf = (request: wire.ListMicroVMsRequest): ListFilter => ({
  namespace: request.namespace,
  name: request.name === "" ? undefined : request.name,
  labels: {},
});
