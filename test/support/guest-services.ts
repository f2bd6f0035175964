/** A client of upstream's exec and SSH services, and of the host's socket to a guest's agent. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { guestExec, sshProxy } from "@flintlock/api";
import type { Client, ServiceError } from "@grpc/grpc-js";
import { bidi, message } from "../../packages/daemon/src/adapters/api/testing/grpc-client.ts";
import {
  CONTROL,
  encodeControl,
  encodeJson,
  readControlFrames,
} from "../../packages/daemon/src/adapters/guest/control-frames.ts";

export interface Executed {
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly error: string;
  readonly code: number | undefined;
  readonly status: ServiceError | undefined;
}

type Start = Partial<Omit<guestExec.ExecStart, "$typeName" | "$unknown">>;

const CHUNK_BYTES = 48 * 1024;

export const startExec = (grpc: Client, start: Start) => {
  const call = bidi(grpc, guestExec.MicroVMExec.method.execCommand);
  const send = (payload: guestExec.ExecCommandRequest["payload"]): boolean =>
    call.write(message(guestExec.ExecCommandRequestSchema, { payload }));
  send({ case: "start", value: message(guestExec.ExecStartSchema, start as object) });
  return { call, send };
};

/** A command with all its input, to its end. */
export const execIn = async (grpc: Client, start: Start, input?: Buffer): Promise<Executed> => {
  const { call, send } = startExec(grpc, { ...start, hasStdin: input !== undefined });
  const out: Buffer[] = [];
  let stderr = "";
  let error = "";
  let code: number | undefined;
  call.on("data", ({ payload }: guestExec.ExecCommandResponse) => {
    if (payload.case === "stdout") out.push(Buffer.from(payload.value));
    if (payload.case === "stderr") stderr += Buffer.from(payload.value).toString();
    if (payload.case === "error") error = payload.value;
    if (payload.case === "exitCode") code = payload.value;
  });
  const ended = new Promise<ServiceError | undefined>((resolve) => {
    call.on("end", () => resolve(undefined));
    call.on("error", resolve);
  });
  for (const value of chunksOf(input ?? Buffer.alloc(0))) {
    if (!send({ case: "stdin", value })) await Promise.race([once(call, "drain"), ended]);
  }
  call.end();
  return { status: await ended, stdout: Buffer.concat(out), stderr, error, code };
};

/** Sends `input` and the half-close, and returns all that comes back. */
export const proxied = async (grpc: Client, uid: string, input: Buffer): Promise<Buffer> => {
  const call = bidi(grpc, sshProxy.MicroVMSSHProxy.method.sSHProxy);
  const out: Buffer[] = [];
  call.on("data", ({ data }: sshProxy.SSHProxyResponse) => out.push(Buffer.from(data)));
  const ended = new Promise<void>((resolve, reject) => {
    call.on("end", resolve);
    call.on("error", reject);
  });
  ended.catch(() => undefined); // It is awaited below.
  const send = (payload: sshProxy.SSHProxyRequest["payload"]): boolean =>
    call.write(message(sshProxy.SSHProxyRequestSchema, { payload }));
  send({ case: "uid", value: uid });
  for (const value of chunksOf(input)) {
    if (!send({ case: "data", value })) await Promise.race([once(call, "drain"), ended]);
  }
  call.end();
  await ended;
  return Buffer.concat(out);
};

/** As upstream's vsock-connect: the handshake, then the agent's own protocol. */
export const execOverSocket = async (
  path: string,
  [cmd = "", ...args]: readonly string[],
  input = Buffer.alloc(0),
): Promise<{ readonly ok: string; readonly stdout: Buffer; readonly code: number }> => {
  const socket = connect({ path, allowHalfOpen: true });
  socket.write("CONNECT 1024\n");
  const ok = await readLine(socket);
  const exec = { cmd, args, has_stdin: input.length > 0 };
  socket.write(encodeJson(CONTROL.request, { version: 1, op: "exec", exec }));
  for (const chunk of chunksOf(input)) socket.write(encodeControl(CONTROL.stdin, chunk));
  if (input.length > 0) socket.write(encodeControl(CONTROL.stdinEof));
  const out: Uint8Array[] = [];
  for await (const { type, payload } of readControlFrames(socket.iterator({ destroyOnReturn: false }))) {
    if (type === CONTROL.stdout) out.push(payload);
    if (type !== CONTROL.exit) continue;
    const { code } = JSON.parse(Buffer.from(payload).toString()) as { readonly code: number };
    socket.destroy();
    return { ok, stdout: Buffer.concat(out), code };
  }
  throw new Error("the agent ended without an exit");
};

const chunksOf = function* (bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
};

const readLine = async (socket: Socket): Promise<string> => {
  let line = "";
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    const bytes = chunk as Buffer;
    const end = bytes.indexOf("\n");
    line += bytes.subarray(0, end === -1 ? bytes.length : end).toString("latin1");
    if (end === -1) continue;
    if (end + 1 < bytes.length) socket.unshift(bytes.subarray(end + 1));
    return line;
  }
  throw new Error(`refused, after ${JSON.stringify(line)}`);
};
