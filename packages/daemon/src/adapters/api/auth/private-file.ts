/** Files with secrets in them, which only their owner may read. */
import { open } from "node:fs/promises";
import { FlintlockError } from "@flintlock/core";

const OTHERS = 0o077;

/** @throws FlintlockError `invalid_spec` – not there, too large, of somebody else, or readable by others */
export const readPrivateFile = async (path: string, what: string, maxBytes: number): Promise<string> => {
  const failed = (cause: NodeJS.ErrnoException): never => {
    const problem = cause.code === "ENOENT" ? "does not exist" : `cannot be read: ${cause.code}`;
    throw refused(`${what} ${path} ${problem}`, undefined, cause);
  };
  // What is looked at is what is read, whatever happens to the name meanwhile
  await using file = await open(path).catch(failed);
  const stats = await file.stat();
  const { mode, uid, size } = stats;
  if (!stats.isFile()) throw refused(`${what} ${path} is not a file`);
  if (uid !== 0 && uid !== process.geteuid?.()) {
    throw refused(`${what} ${path} belongs to user ${uid}`, `chown root ${path}`);
  }
  if ((mode & OTHERS) !== 0) {
    const shown = (mode & 0o777).toString(8).padStart(4, "0");
    throw refused(`${what} ${path} may be used by others: its mode is ${shown}`, `chmod 600 ${path}`);
  }
  if (size > maxBytes) throw refused(`${what} ${path} is larger than ${maxBytes} bytes`);
  const bytes = await file.readFile().catch(failed);
  // It may have grown since it was looked at
  if (bytes.byteLength > maxBytes) throw refused(`${what} ${path} is larger than ${maxBytes} bytes`);
  return bytes.toString("utf8");
};

const refused = (message: string, command?: string, cause?: unknown): FlintlockError =>
  new FlintlockError("invalid_spec", message, {
    hint: command === undefined ? undefined : `Run: ${command}`,
    cause,
  });
