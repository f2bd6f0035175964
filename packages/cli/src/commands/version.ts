import { explicitAddress } from "../connect.ts";
import type { Context } from "../context.ts";
import { deadline } from "../deadline.ts";
import { resolveSocketPath } from "../default-address.ts";
import { EXIT } from "../exit-codes.ts";
import { dataFormat, object, renderData } from "../output.ts";
import { probeSocket } from "../socket-probe.ts";
import { printsNames } from "../targets.ts";
import type { Verb } from "../verb.ts";
import { VERSION } from "../version-number.ts";

const SERVER_DEADLINE_MS = 3_000;

interface ServerVersion {
  readonly version: string;
  readonly accelerator: string;
  readonly defaultProvider: string;
  readonly providers: readonly {
    readonly name: string;
    readonly isUsable: boolean;
    readonly reason: string;
  }[];
}

export const version: Verb = {
  configure: (command) => {
    command.option("--client", "the client's version only");
  },

  run: async (context, command) => {
    const isClientOnly = command.opts<{ client?: boolean }>().client === true;
    const server = isClientOnly ? undefined : await serverVersion(context);
    if (!printsNames(context)) {
      const data = object("Version", {
        client: { version: VERSION, node: process.version },
        server: server ?? null,
      });
      await context.print(await renderData(data, dataFormat(context.globals.output)));
      return EXIT.success;
    }
    const daemon = server
      ? `${server.version} (${server.defaultProvider}, ${server.accelerator})`
      : "not reachable";
    await context.print(`flintlock   ${VERSION}\n${isClientOnly ? "" : `flintlockd  ${daemon}\n`}`);
    return EXIT.success;
  },
};

/** Undefined when no daemon answers; none is started for the sake of its version, nor is gRPC loaded. */
const serverVersion = async (context: Context): Promise<ServerVersion | undefined> => {
  const { io, globals, signal } = context;
  try {
    if (explicitAddress(io, globals) === undefined) {
      if ((await probeSocket(resolveSocketPath(io.env))) !== "answers") return undefined;
    }
    const client = await context.connect();
    const limit = AbortSignal.any([signal, deadline(SERVER_DEADLINE_MS)]);
    const info = await client.host.info({}, { signal: limit });
    const providers = info.availability.map(({ provider: name, isUsable, reason }) => ({
      name,
      isUsable,
      reason,
    }));
    return {
      version: info.version,
      accelerator: info.accelerator,
      defaultProvider: info.defaultProvider,
      providers,
    };
  } catch (error) {
    if (signal.aborted) throw error;
    // No daemon there is an answer too, and the client's version is still wanted.
    context.note(`daemon: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
};
