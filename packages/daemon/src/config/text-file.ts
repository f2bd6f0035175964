/** Reads small files that a person wrote, and says why when it cannot. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

export type TextFile =
  | { readonly kind: "text"; readonly text: string; readonly mode: number }
  | { readonly kind: "absent" }
  | { readonly kind: "unreadable"; readonly why: string };

export type ReadTextFile = (path: string, maxBytes: number) => TextFile;

/** Reads one byte more than `maxBytes` at most, whatever `path` is. */
export const readTextFile: ReadTextFile = (path, maxBytes) => {
  try {
    // Without waiting: a named pipe that nobody writes must not hold up the start.
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(file);
      if (stat.isDirectory()) return { kind: "unreadable", why: "is a directory" };
      const bytes = Buffer.alloc(maxBytes + 1);
      let length = 0;
      for (;;) {
        const count = readSync(file, bytes, length, bytes.length - length, null);
        length += count;
        if (count === 0 || length === bytes.length) break;
      }
      if (length > maxBytes) return { kind: "unreadable", why: `is larger than ${maxBytes} bytes` };
      return { kind: "text", text: bytes.toString("utf8", 0, length), mode: stat.mode };
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return { kind: "absent" };
    return { kind: "unreadable", why: error instanceof Error ? error.message : String(error) };
  }
};
