import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";
import { type Client, carryConnection } from "@flintlock/client";
import { CliError, usageError } from "../cli-error.ts";
import type { Context } from "../context.ts";
import { forwardStdio } from "../forward-stdio.ts";
import { uidOf } from "../microvm-view.ts";
import type { Verb } from "../verb.ts";

interface Forwarding {
  /** 0 = a free one */
  readonly local: number;
  readonly guest: number;
}

const HOST = "127.0.0.1";

export const portForward: Verb = {
  configure: (command) => {
    command
      .usage("[flags] TARGET [LOCAL:]GUEST…\n       flintlock port-forward --stdio TARGET GUEST")
      .argument("<target>", "name, uid or unique prefix of a uid")
      .argument("<ports...>", "of the guest; LOCAL:GUEST for another here, :GUEST for any that is free")
      .option("--stdio", "one connection, at stdin and stdout, as ssh's ProxyCommand wants it");
  },

  run: async (context, command) => {
    const [target = "", ...ports] = command.args;
    const forwardings = ports.map(parseForwarding);
    const { namespace } = context.globals;
    const client = await context.connect();
    const uid = uidOf(await client.microvms.get({ target, namespace }, { signal: context.signal }));
    if (command.opts<{ stdio?: boolean }>().stdio === true) {
      const [only, ...others] = forwardings;
      if (only === undefined || others.length > 0 || only.local !== only.guest) {
        throw usageError(
          "--stdio takes one port of the guest",
          `flintlock port-forward --stdio ${target} 22`,
        );
      }
      return forwardStdio(context, client, { target: uid, port: only.guest });
    }
    const servers: Server[] = [];
    try {
      for (const { local, guest } of forwardings) {
        const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
          void carry(context, client, socket, { target: uid, port: guest });
        });
        servers.push(server);
        await context.print(`Forwarding from ${HOST}:${await listen(server, local)} -> ${guest}\n`);
      }
      return await new Promise<never>((_, reject) => {
        const { signal } = context;
        if (signal.aborted) reject(signal.reason);
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    } finally {
      for (const server of servers) server.close();
    }
  },
};

/** @throws CliError `usage` – not `[LOCAL:]GUEST`, or not ports */
const parseForwarding = (text: string): Forwarding => {
  const [, local, guest = ""] = /^(?:([0-9]{0,5}):)?([0-9]{1,5})$/.exec(text) ?? [];
  const parsed = { local: Number(local ?? guest), guest: Number(guest) };
  if (parsed.guest >= 1 && parsed.guest <= 65_535 && parsed.local <= 65_535) return parsed;
  throw usageError(`${JSON.stringify(text)} is not [LOCAL:]GUEST with ports of 1 to 65535`);
};

const listen = (server: Server, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    // Not once: a server that listens may still fail to accept, and goes on.
    server.on("error", (cause) =>
      reject(new CliError("unavailable", `cannot listen on ${HOST}:${port}`, { why: cause.message, cause })),
    );
    server.listen(port, HOST, () => resolve((server.address() as AddressInfo).port));
  });

/** One connection; what goes wrong with it is told, and is no other's concern. */
const carry = async (
  { io, signal }: Context,
  client: Client,
  socket: Socket,
  { target, port }: { readonly target: string; readonly port: number },
): Promise<void> => {
  try {
    await carryConnection(client, socket, { target, port, signal });
  } catch (error) {
    if (signal.aborted) return;
    const words = error instanceof Error ? error.message : String(error);
    io.stderr.write(`flintlock: port-forward ${port}: ${words}\n`);
  }
};
