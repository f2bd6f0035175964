/**
 * Whether a condition holds in a guest, asked of its agent by what every agent can: ping, exec and the SSH port, and
 * forward where there is one. What comes back is the guest's word.
 */
import {
  AGENT_PORT,
  ATTEMPT_MS,
  type ByteStream,
  FlintlockError,
  type GuestProbe,
  type OpenGuestPort,
  type ProbeAnswer,
  SSH_PORT,
} from "@flintlock/core";
import { forward, ping } from "./agent.ts";
import { CLOUD_INIT_QUESTION, cloudInitAnswer } from "./cloud-init-result.ts";
import { addressesIn } from "./guest-addresses.ts";
import { runInGuest } from "./guest-run.ts";
import { oneLine } from "./guest-words.ts";

export const guestProbe: GuestProbe = {
  async ask(condition, open, signal) {
    switch (condition.kind) {
      case "agent":
        return await withStream(open, AGENT_PORT, signal, async (stream) => {
          await ping(stream);
          return met("it answers");
        });
      case "ssh":
        return await withStream(open, SSH_PORT, signal, greeting);
      case "tcp":
        return await isListening(condition.port, open, signal);
      case "exec":
        return await commandAnswer(condition.command, open, signal);
      case "cloud-init":
        return cloudInitAnswer(await runInGuest(open, CLOUD_INIT_QUESTION, signal));
      case "ip": {
        const tables = { cmd: "cat", args: ["/proc/net/fib_trie", "/proc/net/if_inet6"] };
        const { stdout, error } = await runInGuest(open, tables, signal);
        const addresses = addressesIn(stdout);
        return addresses.length > 0 ? met(addresses.join(" ")) : notYet(error ?? "no address yet");
      }
    }
  },
};

/** The stream ends with the question, however that ends. */
const withStream = async (
  open: OpenGuestPort,
  port: number,
  signal: AbortSignal,
  work: (stream: ByteStream) => Promise<ProbeAnswer>,
): Promise<ProbeAnswer> => {
  await using stream = await open(port, signal);
  const onAbort = (): void => void stream[Symbol.asyncDispose]();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    signal.throwIfAborted();
    return await work(stream);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
};

const MAX_GREETING_BYTES = 8 * 1024;

/** RFC 4253, 4.2: other lines may come before the one that counts. */
const greeting = async (stream: ByteStream): Promise<ProbeAnswer> => {
  let text = "";
  for await (const bytes of stream.bytes) {
    text += Buffer.from(bytes).toString("latin1");
    const line = /^SSH-[^\r\n]*(?=\r?\n)/m.exec(text)?.[0];
    if (line !== undefined) return met(line);
    if (text.length > MAX_GREETING_BYTES) break;
  }
  return notYet(text === "" ? "nobody greets on port 22" : "what answers on port 22 is not SSH");
};

/** Upstream's agent does not forward: there the guest's kernel is asked who listens. */
const isListening = async (port: number, open: OpenGuestPort, signal: AbortSignal): Promise<ProbeAnswer> => {
  try {
    await using _ = await forward(await open(AGENT_PORT, signal), port, signal);
    return met("it takes connections");
  } catch (error) {
    if (!(error instanceof FlintlockError) || error.code !== "unsupported") throw error;
  }
  const tables = { cmd: "cat", args: ["/proc/net/tcp", "/proc/net/tcp6"] };
  const { stdout, error } = await runInGuest(open, tables, signal);
  const digits = port.toString(16).toUpperCase().padStart(4, "0");
  const listening = new RegExp(`^ *\\d+: [0-9A-F]+:${digits} [0-9A-F]+:0000 0A `, "m");
  return listening.test(stdout) ? met("it listens") : notYet(error ?? "nobody listens");
};

const commandAnswer = async (cmd: string, open: OpenGuestPort, signal: AbortSignal): Promise<ProbeAnswer> => {
  const timeoutSeconds = ATTEMPT_MS / 1000;
  const run = await runInGuest(open, { cmd, isShell: true, timeoutSeconds }, signal);
  const words = lastLine(run.stderr) || lastLine(run.stdout);
  if (run.code === 0) return met(words === "" ? "exit code 0" : words);
  return notYet(run.error ?? `exit code ${run.code}${words === "" ? "" : `: ${words}`}`);
};

const lastLine = (text: string): string => text.trimEnd().split("\n").at(-1) ?? "";

const met = (seen: string): ProbeAnswer => ({ isMet: true, seen: oneLine(seen, MAX_SEEN) });
const notYet = (seen: string): ProbeAnswer => ({ isMet: false, seen: oneLine(seen, MAX_SEEN) });

const MAX_SEEN = 300;
