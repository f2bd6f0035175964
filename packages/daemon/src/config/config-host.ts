/** What a configuration depends on besides itself. The only reader of `process.env` in the daemon. */
import { existsSync, statSync } from "node:fs";
import { availableParallelism, homedir, totalmem } from "node:os";
import { resolve } from "node:path";
import type { Environment } from "./environment.ts";
import { type ReadTextFile, readTextFile } from "./text-file.ts";

export interface ConfigHost {
  readonly env: Environment;
  readonly uid: number;
  readonly home: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly readFile: ReadTextFile;
  readonly isFile: (path: string) => boolean;
  /** A directory that belongs to `uid` */
  readonly isOwnDirectory: (path: string, uid: number) => boolean;
  /** Where the bundled kernel and root are, unless an option says otherwise */
  readonly guestImagesDir: string;
}

export const configHost = (): ConfigHost => ({
  env: process.env,
  uid: process.geteuid?.() ?? 0,
  home: process.env["HOME"] || homedir(),
  cpus: availableParallelism(),
  memoryBytes: totalmem(),
  readFile: readTextFile,
  isFile: (path) => statOf(path)?.isFile() === true,
  isOwnDirectory: (path, uid) => {
    const stat = statOf(path);
    return stat?.isDirectory() === true && stat.uid === uid;
  },
  guestImagesDir: builtImages(),
});

const statOf = (path: string) => {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    // Behind a directory that we may not enter: for us it is not there.
    return undefined;
  }
};

/** `dist/guest-images` of the checkout this daemon was built in (from its sources or its bundle), or where a package puts it. */
const builtImages = (): string => {
  const candidates = ["../../../dist/guest-images", "../../../../dist/guest-images"].map((path) =>
    resolve(import.meta.dirname, path),
  );
  return candidates.find((path) => existsSync(path)) ?? "/usr/share/flintlock/guest-images";
};
