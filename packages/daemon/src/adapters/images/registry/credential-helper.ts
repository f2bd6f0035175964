/** docker-credential-helpers' protocol: `docker-credential-X get`, the server on stdin, JSON on stdout. */
import { spawn } from "node:child_process";
import { FlintlockError } from "@flintlock/core";
import { objectOf, parseJson, shown, stringOf } from "../untrusted-json.ts";
import type { Credentials } from "./credentials.ts";

const HELPER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const HELPER_TIMEOUT_MS = 10_000;
const MAX_HELPER_OUTPUT = 64 * 1024;
/** The helpers' own sentence for "I have none"; they exit with 1 as for any failure. */
const NOT_FOUND = "credentials not found";
/** By this user name a helper says that the secret is an identity token. */
const TOKEN_USER = "<token>";

/**
 * Asks a helper found on PATH. Undefined when it has no credentials for `server`.
 * @throws FlintlockError `failed_precondition` – a bad name, no such program, it failed or took too long
 */
export const askCredentialHelper = async (
  name: string,
  server: string,
  signal: AbortSignal,
): Promise<Credentials | undefined> => {
  if (!HELPER_NAME.test(name)) throw failed(`"${shown(name)}" is not a name of a credential helper`);
  const program = `docker-credential-${name}`;
  const { code, stdout } = await run(program, server, signal);
  if (code !== 0) {
    if (stdout.includes(NOT_FOUND)) return undefined;
    throw failed(`${program} failed with ${code}: ${shown(stdout)}`);
  }
  const answer = objectOf(
    parseJson(Buffer.from(stdout), `the answer of ${program}`),
    `the answer of ${program}`,
  );
  const username = stringOf(answer["Username"], MAX_HELPER_OUTPUT, "Username");
  const secret = stringOf(answer["Secret"], MAX_HELPER_OUTPUT, "Secret");
  if (secret === "") return undefined;
  return username === TOKEN_USER
    ? { kind: "identity-token", token: secret }
    : { kind: "basic", username, password: secret };
};

const run = (
  program: string,
  input: string,
  signal: AbortSignal,
): Promise<{ readonly code: number | null; readonly stdout: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, ["get"], {
      stdio: ["pipe", "pipe", "ignore"],
      signal,
      killSignal: "SIGKILL",
    });
    const fail = (cause: unknown) => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      // A grandchild may keep the pipe open; nobody reads it any more.
      child.stdout.destroy();
      reject(signal.aborted ? signal.reason : failed(`${program} cannot be run or gives no answer`, cause));
    };
    const timer = setTimeout(
      () => fail(new Error(`no answer in ${HELPER_TIMEOUT_MS} ms`)),
      HELPER_TIMEOUT_MS,
    );
    const chunks: Buffer[] = [];
    let length = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > MAX_HELPER_OUTPUT) fail(new Error(`more than ${MAX_HELPER_OUTPUT} bytes of output`));
      else chunks.push(chunk);
    });
    // A helper may exit without reading; its answer counts, not the broken pipe.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    child.on("error", fail);
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({ code, stdout: Buffer.concat(chunks).toString("utf8") });
    });
  });

const failed = (message: string, cause?: unknown): FlintlockError =>
  new FlintlockError("failed_precondition", message, { cause });
