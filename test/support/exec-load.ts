/** Many commands at once in one guest, each with bytes of its own both ways and an exit code of its own. */
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import type { guestExec } from "@flintlock/api";
import type { Client, ServiceError } from "@grpc/grpc-js";
import { startExec } from "./guest-services.ts";

export interface ExecLoad {
  readonly uid: string;
  readonly sessions: number;
  /** Each way, of each session */
  readonly bytes: number;
}

/** What came back of one command. */
export interface Echo {
  readonly bytes: number;
  readonly isSame: boolean;
  readonly code: number | undefined;
  readonly problem: string;
}

const CHUNK_BYTES = 48 * 1024;
const ZEROS = Buffer.alloc(CHUNK_BYTES);

/** Session `n` sends bytes like nobody else's through `cat`, and exits with `n`. */
export const execLoad = (grpc: Client, load: ExecLoad): Promise<readonly Echo[]> =>
  Promise.all(Array.from({ length: load.sessions }, (_, index) => echo(grpc, load, index)));

const echo = async (grpc: Client, { uid, bytes }: ExecLoad, index: number): Promise<Echo> => {
  const { call, send } = startExec(grpc, {
    uid,
    cmd: "sh",
    args: ["-c", `cat; exit ${index}`],
    hasStdin: true,
  });
  const sent = createHash("sha256");
  const back = createHash("sha256");
  let received = 0;
  let problem = "";
  let code: number | undefined;
  call.on("data", ({ payload }: guestExec.ExecCommandResponse) => {
    if (payload.case === "exitCode") code = payload.value;
    else if (payload.case === "stdout") {
      received += payload.value.length;
      back.update(payload.value);
    } else problem += payload.case === "stderr" ? Buffer.from(payload.value).toString() : payload.value;
  });
  const ended = new Promise<void>((resolve) => {
    call.on("end", resolve);
    call.on("error", (error: ServiceError) => {
      problem += error.message;
      resolve();
    });
  });
  for (const value of noise(bytes)) {
    sent.update(value);
    if (!send({ case: "stdin", value })) await Promise.race([once(call, "drain"), ended]);
  }
  call.end();
  await ended;
  return { bytes: received, isSame: sent.digest().equals(back.digest()), code, problem };
};

const noise = function* (length: number): Generator<Buffer> {
  const cipher = createCipheriv("aes-128-ctr", randomBytes(16), randomBytes(16));
  for (let left = length; left > 0; left -= CHUNK_BYTES) {
    yield cipher.update(left < CHUNK_BYTES ? ZEROS.subarray(0, left) : ZEROS);
  }
};
