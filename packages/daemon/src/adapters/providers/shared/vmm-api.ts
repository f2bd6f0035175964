/**
 * A VMM's own API: JSON over HTTP/1.1 on a Unix socket in the VM's directory, as Firecracker and Cloud Hypervisor serve
 * it. A connection for each request: neither server has many to give away, and none is left behind by a daemon's end.
 */
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import { FlintlockError } from "@flintlock/core";
import { deadline } from "./deadline.ts";
import { connectIn } from "./directory-socket.ts";

/** Each answers within milliseconds; on a host with many busy guests within seconds */
const TIMEOUT_MS = 10_000;
/** The longest answer, a Cloud Hypervisor's counters, is below 100 KiB */
const MAX_ANSWER_BYTES = 1024 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_FAULT_LENGTH = 1000;

export type VmmMethod = "GET" | "PUT" | "PATCH";

export interface VmmRequest {
  readonly method: VmmMethod;
  /** As in `/machine-config` */
  readonly path: string;
  /** Sent as JSON; absent = no body */
  readonly body?: object | undefined;
  /** For the whole exchange; absent = 10 s */
  readonly timeoutMs?: number;
}

/**
 * Sends one request to the socket `name` in `directory`; resolves to the answer's JSON, undefined when it has none.
 * @throws FlintlockError `unavailable` – no VMM listens, or it hung up; `provider_failed` – it refused, cause has its
 *   words, or its answer is none; `deadline_exceeded`; or the signal's reason
 */
export const askVmm = async (
  directory: string,
  name: string,
  { method, path, body, timeoutMs = TIMEOUT_MS }: VmmRequest,
  signal: AbortSignal,
): Promise<unknown> => {
  using limit = deadline(signal, timeoutMs, `${method} ${path} of the VMM`);
  const socket = await connectIn(directory, name, limit.signal);
  const what = `${method} ${path}`;
  const onAbort = (): void => void socket.destroy();
  limit.signal.addEventListener("abort", onAbort, { once: true });
  try {
    const answer = await exchange(socket, method, path, body);
    const text = await bounded(answer, what);
    const status = answer.statusCode ?? 0;
    if (status < 200 || status > 299) throw refused(what, status, text);
    return parsed(text, what);
  } catch (error) {
    limit.signal.throwIfAborted();
    if (error instanceof FlintlockError) throw error;
    throw new FlintlockError("unavailable", `the VMM did not answer ${what}`, { cause: error });
  } finally {
    limit.signal.removeEventListener("abort", onAbort);
    socket.destroy();
  }
};

const exchange = async (
  socket: Socket,
  method: VmmMethod,
  path: string,
  body: object | undefined,
): Promise<IncomingMessage> =>
  await new Promise((resolve, reject) => {
    const text = body === undefined ? "" : JSON.stringify(body);
    const sent: ClientRequest = request({
      createConnection: () => socket,
      method,
      path,
      maxHeaderSize: MAX_HEADER_BYTES,
      headers: {
        host: "localhost",
        accept: "application/json",
        ...(body !== undefined && {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(text),
        }),
      },
    });
    sent.once("response", resolve);
    sent.on("error", reject);
    sent.end(text);
  });

const bounded = async (answer: IncomingMessage, what: string): Promise<string> => {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer) {
    length += (chunk as Buffer).length;
    if (length > MAX_ANSWER_BYTES) {
      throw new FlintlockError("provider_failed", `the VMM's answer to ${what} is too long`);
    }
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
};

const parsed = (text: string, what: string): unknown => {
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FlintlockError("provider_failed", `the VMM's answer to ${what} is not JSON`, { cause });
  }
};

const refused = (what: string, status: number, text: string): FlintlockError => {
  const fault = faultOf(text);
  return new FlintlockError("provider_failed", `the VMM refused ${what}`, {
    detail: { status },
    hint: fault === "" ? undefined : fault,
    cause: new Error(fault === "" ? `HTTP status ${status}` : fault),
  });
};

/** Firecracker: `{"fault_message": …}`; Cloud Hypervisor: an array of causes, before v45 plain words. */
const faultOf = (text: string): string => {
  const words = faultWords(text);
  return words
    .replace(/\p{C}+/gu, " ")
    .trim()
    .slice(0, MAX_FAULT_LENGTH);
};

const faultWords = (text: string): string => {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value)) return value.filter((each) => typeof each === "string").join(": ");
    const isObject = typeof value === "object" && value !== null && "fault_message" in value;
    return isObject ? String(value.fault_message) : text;
  } catch {
    return text;
  }
};
