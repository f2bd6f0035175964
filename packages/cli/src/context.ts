/** What a command works with: streams, flags, the signal to stop, and the way to the daemon. */
import type { Client } from "@flintlock/client";
import type { Globals } from "./globals.ts";
import type { Interrupts } from "./interrupts.ts";
import { type Io, writeAll } from "./io.ts";
import { type OutputFormat, renderList, type View } from "./output.ts";
import { type Palette, paletteFor } from "./palette.ts";
import { createProgress, type Progress } from "./progress.ts";

export interface Context {
  readonly io: Io;
  readonly globals: Globals;
  readonly interrupts: Interrupts;
  /** Aborts on a signal, or when `--timeout` has passed */
  readonly signal: AbortSignal;
  /** For stdout */
  readonly palette: Palette;
  /** A client of the daemon, started first when it is ours to start. The same one each time. */
  connect(): Promise<Client>;
  /** Data, to stdout, as it is. @throws OutputClosed */
  print(text: string): Promise<void>;
  /** A line for the user, to stderr; nothing with `--quiet`. */
  note(line: string): void;
  printList<T>(view: View<T>, items: readonly T[], fallback?: OutputFormat): Promise<void>;
  progress(): Progress;
}

/** `connect` is called at most once. */
export const createContext = (
  io: Io,
  globals: Globals,
  interrupts: Interrupts,
  signal: AbortSignal,
  connect: () => Promise<Client>,
): Context => {
  const palette = paletteFor(io, io.stdout, globals.wantsColor);
  let client: Promise<Client> | undefined;
  const print = (text: string) => writeAll(io.stdout, text, signal);
  return {
    io,
    globals,
    interrupts,
    signal,
    palette,
    connect: () => {
      client ??= connect();
      return client;
    },
    print,
    note: (line) => {
      if (!globals.isQuiet) io.stderr.write(`${line}\n`);
    },
    printList: async (view, items, fallback = "table") => {
      const format = globals.output ?? (globals.isQuiet ? "name" : fallback);
      await print(await renderList(view, items, format, palette));
    },
    progress: () =>
      createProgress({
        mode: globals.isQuiet ? "none" : globals.progress,
        stream: io.stderr,
        palette: paletteFor(io, io.stderr, globals.wantsColor),
      }),
  };
};
