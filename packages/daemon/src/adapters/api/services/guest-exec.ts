/** `microvmexec.services.api.v1alpha1.MicroVMExec`: upstream's exec, word for word where a client may look. */
import { create } from "@bufbuild/protobuf";
import { guestExec } from "@flintlock/api";
import { abortable } from "../abortable.ts";
import { execInputOf } from "../convert/exec-input.ts";
import { execPayload } from "../convert/exec-payload.ts";
import { invalidRequest } from "../errors.ts";
import { type BoundService, bindService } from "../service.ts";
import { joined, splitFirst } from "./duplex.ts";
import { feedStdio } from "./stdio.ts";

export const guestExecService = (): BoundService =>
  bindService(guestExec.MicroVMExec, {
    execCommand: async function* (requests, { signal, useCases: { microvms } }) {
      const { first, rest } = await splitFirst(abortable(requests, signal));
      const start = startOf(first);
      await using session = await microvms.execByUid(start.uid, execInputOf(start, undefined), signal);
      // COMPAT: without has_stdin nothing that follows is looked at
      const feed = async (input: AsyncIterable<guestExec.ExecCommandRequest>): Promise<void> =>
        start.hasStdin ? feedStdio(session, input) : undefined;
      for await (const output of joined(signal, rest, feed, session.output)) {
        yield create(guestExec.ExecCommandResponseSchema, { payload: execPayload(output) });
      }
    },
  });

const startOf = (first: guestExec.ExecCommandRequest | undefined): guestExec.ExecStart => {
  const start = first?.payload.case === "start" ? first.payload.value : undefined;
  if (start !== undefined && start.uid !== "" && (start.cmd !== "" || start.shell)) return start;
  throw invalidRequest("start", "first message must be a start message with uid and cmd set");
};
