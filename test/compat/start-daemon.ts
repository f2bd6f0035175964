/** Our daemon, with or without VMs, on TCP ports of its own choosing. */
import { TestDaemon } from "../support/daemon.ts";
import type { Endpoints } from "./wire/case.ts";

export interface Started {
  readonly daemon: TestDaemon;
  readonly endpoints: Endpoints;
}

/** Simulated: microVMs are records, and no host is touched. */
export const startSimulated = (args: readonly string[] = []): Promise<Started> =>
  startWithEndpoints(["--default-provider", "simulated", ...args]);

export const startWithEndpoints = async (args: readonly string[]): Promise<Started> => {
  const daemon = await TestDaemon.start([
    "--grpc-endpoint",
    "127.0.0.1:0",
    "--http-endpoint",
    "127.0.0.1:0",
    ...args,
  ]);
  try {
    return { daemon, endpoints: endpointsIn(daemon.log) };
  } catch (error) {
    await daemon[Symbol.asyncDispose]();
    throw error;
  }
};

/** The daemon says where it serves, once it does. */
const endpointsIn = (log: string): Endpoints => {
  const line = log.split("\n").find((one) => one.includes('"msg":"flintlockd serves"'));
  if (line === undefined) throw new Error(`the daemon does not say where it serves: ${log}`);
  const { grpc, http } = (JSON.parse(line) as { addresses: Partial<Endpoints> }).addresses;
  if (grpc === undefined || http === undefined) throw new Error(`no endpoints in ${line}`);
  return { grpc, http };
};
