/** Stdin and stdout as a connection to a guest's port, for programs that take one from another, such as ssh. */
import type { Client } from "@flintlock/client";
import type { Context } from "./context.ts";
import { EXIT, exitCodeOfSignal } from "./exit-codes.ts";
import type { SignalName } from "./interrupts.ts";
import { writeAll } from "./io.ts";
import { pumpInput } from "./pump-input.ts";

/** To the guest's end of the connection, or to a signal: ssh hangs up on its ProxyCommand. Returns the exit code. */
export const forwardStdio = async (
  { io, signal, interrupts }: Context,
  client: Client,
  { target, port }: { readonly target: string; readonly port: number },
): Promise<number> => {
  const call = client.microvms.forward({ signal });
  let stop = (): void => undefined;
  let ended: SignalName | undefined;
  const restore = interrupts.takeOver((name) => {
    ended = name;
    call.cancel();
  });
  try {
    await call.write({ payload: { case: "start", value: { target, namespace: "", port } } });
    for await (const { payload } of call.responses) {
      if (payload.case === "connected") {
        stop = pumpInput(
          io.stdin,
          (value) => call.write({ payload: { case: "data", value } }),
          () => call.end(),
        );
      }
      if (payload.case === "data") await writeAll(io.stdout, payload.value, signal);
      if (payload.case === "eof") break;
    }
  } catch (error) {
    if (ended === undefined) throw error;
  } finally {
    restore();
    stop();
    call.cancel();
  }
  return ended === undefined ? EXIT.success : exitCodeOfSignal(ended);
};
