/**
 * A directory as a tar stream (POSIX ustar), just enough for OCI layouts: regular files and directories, in
 * name order, with fixed owner and time. Links and devices have no place in a layout and are refused.
 */
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { usageError } from "./cli-error.ts";

const BLOCK = 512;
const READ_BYTES = 256 * 1024;
/** ustar's size field: eleven octal digits */
const MAX_FILE_BYTES = 8 ** 11 - 1;

export interface TarEntry {
  /** Relative, with `/` */
  readonly name: string;
  readonly sizeBytes: number;
}

/** The regular files below `root`. @throws CliError `usage` – something else lies there */
export const listFiles = async (root: string): Promise<readonly TarEntry[]> => {
  const entries = await readdir(root, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => !entry.isDirectory());
  const odd = files.find((entry) => !entry.isFile());
  if (odd !== undefined)
    throw usageError(`${join(odd.parentPath, odd.name)}: neither a file nor a directory`);
  const names = files.map((entry) => join(entry.parentPath, entry.name).slice(join(root, "x").length - 1));
  return Promise.all(
    names.sort().map(async (name) => {
      const { size } = await stat(join(root, name));
      if (size > MAX_FILE_BYTES) throw usageError(`${join(root, name)}: more than 8 GiB`);
      return { name, sizeBytes: size };
    }),
  );
};

/** @throws CliError `usage` – a file changed its size meanwhile */
export const tarDirectory = async function* (
  root: string,
  files: readonly TarEntry[],
): AsyncGenerator<Uint8Array> {
  for (const { name, sizeBytes } of files) {
    yield header(name, sizeBytes);
    let sent = 0;
    if (sizeBytes > 0) {
      for await (const chunk of createReadStream(join(root, name), {
        end: sizeBytes - 1,
        highWaterMark: READ_BYTES,
      })) {
        sent += chunk.length;
        yield chunk;
      }
    }
    if (sent !== sizeBytes) throw usageError(`${join(root, name)} was changed while it was read`);
    if (sizeBytes % BLOCK > 0) yield new Uint8Array(BLOCK - (sizeBytes % BLOCK));
  }
  yield new Uint8Array(2 * BLOCK);
};

/** pax(1), "ustar Interchange Format". */
const header = (name: string, sizeBytes: number): Uint8Array => {
  const block = Buffer.alloc(BLOCK);
  const [prefix, rest] = splitName(name);
  block.write(rest, 0);
  block.write("0000644\0", 100);
  block.write("0000000\0", 108);
  block.write("0000000\0", 116);
  block.write(`${sizeBytes.toString(8).padStart(11, "0")}\0`, 124);
  block.write("00000000000\0", 136);
  block.fill(" ", 148, 156);
  block.write("0", 156);
  block.write("ustar\x0000", 257);
  block.write(prefix, 345);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
};

const splitName = (name: string): readonly [string, string] => {
  if (Buffer.byteLength(name) <= 100) return ["", name];
  for (let at = name.indexOf("/"); at >= 0; at = name.indexOf("/", at + 1)) {
    const prefix = name.slice(0, at);
    const rest = name.slice(at + 1);
    if (Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(rest) <= 100) return [prefix, rest];
  }
  throw usageError(`${name}: too long a name for an OCI layout`);
};
