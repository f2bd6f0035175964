import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Workplace extends AsyncDisposable {
  readonly path: string;
  /** To be closed, last first, before the folder goes */
  defer(close: () => Promise<void> | void): void;
}

/** A temporary folder with everything that lives in it. */
export const openWorkplace = async (): Promise<Workplace> => {
  const path = await mkdtemp(join(tmpdir(), "flintlock-images-"));
  const closers: (() => Promise<void> | void)[] = [];
  return {
    path,
    defer: (close) => closers.push(close),
    [Symbol.asyncDispose]: async () => {
      for (const close of closers.reverse()) await close();
      await rm(path, { recursive: true, force: true });
    },
  };
};
