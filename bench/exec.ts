/**
 * Commands in a guest. The round trip of the smallest one, through gRPC and the daemon, beside the same request put by a
 * few lines of client straight on the channel of another guest of the same kind, pairs A B A B. And as many commands at
 * once as a guest serves, with bytes both ways.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "@flintlock/client";
import { AGENT_PORT } from "@flintlock/core";
import { Client, credentials } from "@grpc/grpc-js";
import {
  CONTROL,
  encodeJson,
  readControlFrames,
} from "../packages/daemon/src/adapters/guest/control-frames.ts";
import { type GuestMux, openMux } from "../packages/daemon/src/adapters/guest/mux.ts";
import { AGENT_SOCKET } from "../packages/daemon/src/adapters/providers/qemu/args.ts";
import { connectIn } from "../packages/daemon/src/adapters/providers/shared/directory-socket.ts";
import { processesNaming, TestDaemon } from "../test/support/daemon.ts";
import { execLoad } from "../test/support/exec-load.ts";
import { execIn } from "../test/support/guest-services.ts";
import { differences, ms, summarise, timed } from "./stats.ts";

const PAIRS = 100;
const WARM_UP = 10;
const SESSIONS = 64;

/** `megabytes` each way, of each of 64 commands at once. */
export const benchExec = async (megabytes: number): Promise<void> => {
  await using daemon = await TestDaemon.start(["--enable-exec-api", "--log-level", "warn"]);
  const client = createClient({ address: `unix://${daemon.socket}` });
  const grpc = new Client(`unix:${daemon.socket}`, credentials.createInsecure());
  try {
    const ours = await create(client, "ours");
    // Nothing has been asked of its agent, so the daemon leaves its channel alone.
    const bare = await create(client, "bare");
    await roundTrips(grpc, ours, join(daemon.stateDir, "vm/bench/bare", bare));
    await client.microvms.delete({ target: bare });
    await load(grpc, ours, daemon.pid, megabytes);
  } finally {
    grpc.close();
    client.close();
  }
};

const create = async (client: ReturnType<typeof createClient>, id: string): Promise<string> => {
  const vm = await client.microvms.create({
    microvm: { id, namespace: "bench", memoryInMb: 256, vcpu: 1, allowGuestAgent: true },
    process: { command: ["sleep", "100000"] },
  });
  const target = vm.microvm?.spec?.uid ?? "";
  for await (const state of client.microvms.wait({ target, condition: "running" })) {
    if (state.microvm?.status?.state === 1) break;
  }
  return target;
};

const roundTrips = async (grpc: Client, uid: string, directory: string): Promise<void> => {
  const socket = await connectIn(directory, AGENT_SOCKET, new AbortController().signal);
  await using channel = await openMux(socket, new AbortController().signal);
  const ping = { version: 1, op: "ping" };
  const exec = { version: 1, op: "exec", exec: { cmd: "true", args: [], env: {} } };
  const ours: number[] = [];
  const bare: number[] = [];
  const pings: number[] = [];
  for (let pair = -WARM_UP; pair < PAIRS; pair++) {
    const one = await timed(() => execIn(grpc, { uid, cmd: "true" }));
    if (one.value.code !== 0) throw new Error(`exec of true: ${JSON.stringify(one.value)}`);
    const other = await timed(() => exchange(channel, exec));
    const least = await timed(() => exchange(channel, ping));
    if (pair < 0) continue;
    ours.push(one.ms);
    bare.push(other.ms);
    pings.push(least.ms);
  }
  console.log("a command that does nothing, from request to exit code");
  console.log(`  through gRPC       ${ms(summarise(ours))}`);
  console.log(`  on the channel     ${ms(summarise(bare))}   a ping there: ${ms(summarise(pings))}`);
  console.log(`  difference         ${ms(differences(ours, bare))}   goal: at most 10 ms at the median`);
};

/** One request to its exit, with nothing between us and the guest but the channel. */
const exchange = async (channel: GuestMux, request: object): Promise<void> => {
  await using stream = channel.open(AGENT_PORT);
  await stream.write(encodeJson(CONTROL.request, request));
  for await (const { type } of readControlFrames(stream.bytes)) if (type === CONTROL.exit) return;
  throw new Error("the agent ended without an exit");
};

const load = async (grpc: Client, uid: string, daemon: number, megabytes: number): Promise<void> => {
  const [vmm = 0] = await processesNaming(uid);
  const before = [await peak(daemon), await peak(vmm)];
  const bytes = megabytes * 1_000_000;
  const all = await timed(() => execLoad(grpc, { uid, sessions: SESSIONS, bytes }));
  const wrong = all.value.flatMap((one, code) =>
    one.isSame && one.bytes === bytes && one.code === code && one.problem === "" ? [] : [{ code, one }],
  );
  const guest = (
    await execIn(grpc, { uid, cmd: "grep", args: ["VmHWM", "/proc/1/status"] })
  ).stdout.toString();
  const rate = ((SESSIONS * megabytes) / all.ms) * 1000;
  console.log(`${SESSIONS} commands at once, ${megabytes} MB to each and back`);
  console.log(`  took               ${(all.ms / 1000).toFixed(1)} s: ${rate.toFixed(1)} MB/s each way`);
  console.log(
    `  wrong              ${wrong.length}   bytes compared by SHA-256, each with its own exit code`,
  );
  for (const one of wrong) console.log(`    ${JSON.stringify(one)}`);
  console.log(`  daemon memory      ${before[0]} MB at most before it, ${await peak(daemon)} MB after it`);
  console.log(
    `  VMM memory         ${before[1]} MB at most before it, ${await peak(vmm)} MB after it, of a 256 MB guest`,
  );
  console.log(`  the guest's agent  ${Math.ceil(Number(guest.match(/\d+/)?.[0]) / 1024)} MB at most`);
};

/** Megabytes a process ever had in memory. */
const peak = async (pid: number): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(status.match(/VmHWM:\s+(\d+)/)?.[1]) / 1024);
};
