/** `microvmsshproxy.services.api.v1alpha1.MicroVMSSHProxy`: raw bytes to the SSH server in a guest. */
import { create } from "@bufbuild/protobuf";
import { sshProxy } from "@flintlock/api";
import { type ByteStream, invalidField, SSH_PORT } from "@flintlock/core";
import { abortable } from "../abortable.ts";
import { invalidRequest } from "../errors.ts";
import { type BoundService, bindService } from "../service.ts";
import { joined, splitFirst } from "./duplex.ts";

export const sshProxyService = (): BoundService =>
  bindService(sshProxy.MicroVMSSHProxy, {
    sSHProxy: async function* (requests, { signal, useCases: { microvms } }) {
      const { first, rest } = await splitFirst(abortable(requests, signal));
      const uid = first?.payload.case === "uid" ? first.payload.value : "";
      if (uid === "") throw invalidRequest("uid", "first message must set uid");
      await using stream = await microvms.connectByUid(uid, SSH_PORT, signal);
      for await (const data of joined(signal, rest, (input) => feed(stream, input), stream.bytes)) {
        yield create(sshProxy.SSHProxyResponseSchema, { data });
      }
    },
  });

/** The client's half-close is passed on. */
const feed = async (stream: ByteStream, requests: AsyncIterable<sshProxy.SSHProxyRequest>): Promise<void> => {
  for await (const { payload } of requests) {
    if (payload.case === "uid") throw invalidField("uid", "must be in the first message only");
    if (payload.case === "data") await stream.write(payload.value);
  }
  await stream.end();
};
