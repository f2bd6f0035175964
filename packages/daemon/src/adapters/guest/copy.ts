/** Files out of a guest and into it: the agent's `read-files` and `write-files`, whose tar streams pass as they are. */
import { type ByteStream, type ExecOutput, FlintlockError, type GuestSessions } from "@flintlock/core";
import { broken, execOutputs, message, request, session } from "./agent.ts";

/** Of what the agent says on its stderr */
const MAX_WORDS = 1024;
/** The agent's exit code for a path that is not there (guest/init/copy.h) */
const NOT_FOUND = 2;

/** Ends well only when the guest has read all of it. Owns `stream`. */
export const copyOut: GuestSessions["copyOut"] = async function* (stream, wanted, signal) {
  await using owned = closedOn(signal, stream);
  const { path, followsLink: follow, isHeaderOnly: header } = wanted;
  await ask(owned, "read-files", { path, follow, header });
  yield* concluded(execOutputs(owned));
};

/** Owns `stream`. A guest that ends early is heard at once, and what follows of `archive` is left. */
export const copyIn: GuestSessions["copyIn"] = async (
  stream,
  { path, keepsOwners: owners },
  archive,
  signal,
) => {
  await using owned = closedOn(signal, stream);
  let failure: { readonly error: unknown } | undefined;
  const feed = async (): Promise<void> => {
    const { stdin, endStdin } = session(owned);
    for await (const bytes of archive) await stdin(bytes);
    await endStdin();
  };
  await ask(owned, "write-files", { path, owners });
  void feed().catch(async (error: unknown) => {
    failure = { error };
    await owned[Symbol.asyncDispose]();
  });
  try {
    for await (const _ of concluded(execOutputs(owned)));
  } catch (error) {
    // The stream that a failed archive closed is no reason; the guest's own word is.
    const isClosed = error instanceof FlintlockError && error.code === "unavailable";
    throw isClosed ? (failure?.error ?? error) : error;
  }
};

/** The stream, closed also when the signal aborts: whoever reads or writes it then goes on. */
const closedOn = (signal: AbortSignal, stream: ByteStream): ByteStream => {
  const onAbort = (): void => void stream[Symbol.asyncDispose]();
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  const { bytes } = stream;
  return {
    bytes,
    write: (data) => stream.write(data),
    end: () => stream.end(),
    async [Symbol.asyncDispose]() {
      signal.removeEventListener("abort", onAbort);
      await stream[Symbol.asyncDispose]();
    },
  };
};

const ask = (stream: ByteStream, op: string, details: Readonly<Record<string, unknown>>): Promise<void> =>
  request(stream, { op, [op]: details });

/** What it writes to stdout; its exit code and its words decide how this ends. */
const concluded = async function* (outputs: AsyncIterable<ExecOutput>): AsyncGenerator<Uint8Array> {
  let words = "";
  let isRefused = false;
  for await (const output of outputs) {
    if (output.kind === "stdout") yield output.bytes;
    if (output.kind === "stderr") words = `${words}${Buffer.from(output.bytes)}`.slice(0, MAX_WORDS);
    if (output.kind === "error") {
      isRefused = true;
      words = output.message;
    }
    if (output.kind !== "exit") continue;
    if (output.code === 0 && !isRefused) return;
    if (isRefused) throw refused(words);
    throw new FlintlockError(
      output.code === NOT_FOUND ? "not_found" : "failed_precondition",
      `in the guest: ${message(words.trim())}`,
    );
  }
  throw broken("the guest ended a copy without an exit code");
};

/** An agent that does not know the operation, or cannot start it. */
const refused = (words: string): FlintlockError =>
  new FlintlockError("unsupported", `the guest agent cannot copy files: ${words}`, {
    hint: "start the microVM with the kernel image that comes with this daemon",
  });
