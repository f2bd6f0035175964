/**
 * Sends a daemon many requests that are wrong in ways its contract knows of, and watches what it says and how much
 * memory it takes. Seeded; loopback only; ends by itself.
 */
import { readFile } from "node:fs/promises";
import { type DescMethod, type DescService, fromBinary, getOption } from "@bufbuild/protobuf";
import { ext, Host, http, Images, wire } from "@flintlock/api";
import { Client, credentials } from "@grpc/grpc-js";
import { grpcRound } from "./grpc-lane.ts";
import { createHttpLane, type HttpRoute } from "./http-lane.ts";
import { createGenerator } from "./message-generator.ts";
import { seeded } from "./random.ts";
import { isHonestHttp, isHonestStatus } from "./verdict.ts";

export interface FuzzOptions {
  readonly socketPath: string;
  readonly pid: number;
  readonly seed: number;
  readonly requests: number;
}

export interface FuzzReport {
  /** How often each answer came, such as `grpc 3` or `http 404` */
  readonly answers: Readonly<Record<string, number>>;
  /** At most 20 answers that the daemon should not have given, with what they answered */
  readonly dishonest: readonly string[];
  /** Resident memory in MiB after each tenth */
  readonly rssMib: readonly number[];
}

const LANES = 12;
const MAX_ALIVE = 40;
const SERVICES: readonly DescService[] = [wire.MicroVM, ext.MicroVMs, Images, Host];
/** Boots a probe VM: minutes, not milliseconds. */
const TOO_SLOW = new Set(["Check"]);

export const fuzzApi = async ({ socketPath, pid, seed, requests }: FuzzOptions): Promise<FuzzReport> => {
  const random = seeded(seed);
  const alive: string[] = [];
  const generator = createGenerator(random, () => alive);
  const methods = SERVICES.flatMap((service) => service.methods).filter(({ name }) => !TOO_SLOW.has(name));
  const routes = methods.flatMap(routesOf);
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure());
  using lane = createHttpLane(socketPath);
  const answers: Record<string, number> = {};
  const dishonest: string[] = [];
  const rssMib: number[] = [];
  let sent = 0;

  const note = (answer: string, isHonest: boolean, what: () => string): void => {
    answers[answer] = (answers[answer] ?? 0) + 1;
    if (!isHonest && dishonest.length < 20) dishonest.push(`${answer}: ${what()}`);
  };
  const one = async (): Promise<void> => {
    if (random.chance(0.5)) {
      const desc = random.pick(methods);
      const round = await grpcRound(client, desc, { random, generator });
      note(
        `grpc ${round.code}`,
        isHonestStatus(round.code, round.method),
        () => `${round.method} ${round.message} ${round.request.toString("base64")}`,
      );
    } else {
      const route = random.pick(routes);
      const round = await lane({ route, random, generator });
      const isHonest =
        (isHonestHttp(round.code) && round.code !== 0 && isJsonLines(round.text)) ||
        (round.code === 503 && isHonestStatus(14, route.method.name));
      note(`http ${round.code}`, isHonest, () => `${round.request} → ${round.text}`);
    }
  };
  const work = async (): Promise<void> => {
    while (sent < requests) {
      sent += 1;
      if (sent % Math.ceil(requests / 10) === 0) rssMib.push(await rss(pid));
      if (sent % 100 === 0) await forget(client, alive);
      await one();
    }
  };
  await Promise.all(Array.from({ length: LANES }, work));
  client.close();
  return { answers, dishonest, rssMib };
};

const routesOf = (method: DescMethod): readonly HttpRoute[] => {
  if (method.methodKind === "bidi_streaming" || method.methodKind === "client_streaming") return [];
  const { pattern } = getOption(method, http);
  if (pattern.case === undefined || pattern.case === "custom")
    return [{ verb: "POST", path: `/${method.parent.typeName}/${method.name}`, method }];
  return [{ verb: pattern.case.toUpperCase(), path: pattern.value, method }];
};

/** Keeps the number of VMs bounded, as somebody does who cleans up; remembers the newest uids for later requests. */
const forget = async (client: Client, alive: string[]): Promise<void> => {
  const path = `/${wire.MicroVM.typeName}/`;
  const call = (name: string, bytes: Buffer): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        path + name,
        (request: Buffer) => request,
        (reply: Buffer) => reply,
        bytes,
        (error, reply) => (error ? reject(error) : resolve(reply ?? Buffer.alloc(0))),
      );
    });
  const { microvm } = fromBinary(
    wire.ListMicroVMsResponseSchema,
    await call("ListMicroVMs", Buffer.alloc(0)),
  );
  const uids = microvm.map(({ spec }) => spec?.uid ?? "").filter((uid) => uid !== "");
  alive.splice(0, alive.length, ...uids.slice(-MAX_ALIVE));
  for (const uid of uids.slice(0, -MAX_ALIVE)) {
    const request = Buffer.concat([Buffer.from([0x0a, uid.length]), Buffer.from(uid)]);
    // Somebody else's delete may have been first
    await call("DeleteMicroVM", request).catch(() => undefined);
  }
};

const isJsonLines = (text: string): boolean => {
  // A stream that was left may end in the middle of a line
  const lines = text.split("\n").slice(0, -1);
  try {
    for (const line of lines) if (line !== "") JSON.parse(line);
    return true;
  } catch {
    return false;
  }
};

const rss = async (pid: number): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const [, kib = "0"] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
  return Math.round(Number(kib) / 1024);
};
