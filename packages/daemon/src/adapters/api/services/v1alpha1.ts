/** `microvm.services.api.v1alpha1.MicroVM`: upstream's contract, word for word where a client may look. */
import { create } from "@bufbuild/protobuf";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { wire } from "@flintlock/api";
import { type MicroVM, pageOf } from "@flintlock/core";
import { createInputOf } from "../convert/create-input.ts";
import { NEXT_PAGE_TOKEN, wireListRequest } from "../convert/list-request.ts";
import { encodedMicroVM, encodedMicroVMs } from "../convert/record-cache.ts";
import { requestIdOf, wireRequestId } from "../convert/request-id.ts";
import { type GuestServices, serverInfo } from "../convert/server-info.ts";
import { invalidRequest } from "../errors.ts";
import { type BoundService, bindService, type Call } from "../service.ts";

export const v1alpha1Service = (guestServices: GuestServices): BoundService =>
  bindService(wire.MicroVM, {
    createMicroVM: async (request, { metadata, useCases: { microvms } }) => {
      const { microvm } = request;
      if (microvm === undefined) {
        throw invalidRequest("microvm", "invalid create microvm request: MicroVMSpec required");
      }
      const requestId = requestIdOf(wireRequestId(request), metadata);
      return encodedMicroVM(await microvms.create({ ...createInputOf(microvm, undefined), requestId }));
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
    listMicroVMs: async (request, call) => encodedMicroVMs(await listed(request, call)),
    listMicroVMsStream: async function* (request, call) {
      // COMPAT: unlike the list, the stream wants a namespace
      if (request.namespace === "") throw invalidRequest("namespace", "invalid request");
      for (const vm of await listed(request, call)) yield encodedMicroVM(vm);
    },
    serverInfo: async (_request, { useCases: { host } }) => serverInfo(await host.info(), guestServices),
  });

/** The page that was asked for; where it ends is told beside the message, which has no place for it. */
const listed = async (request: wire.ListMicroVMsRequest, call: Call): Promise<readonly MicroVM[]> => {
  const { filter, page } = wireListRequest(request, call.metadata);
  const { microvms, nextToken } = pageOf(await call.useCases.microvms.list(filter), page);
  if (nextToken !== "") call.reply.set(NEXT_PAGE_TOKEN, nextToken);
  return microvms;
};
