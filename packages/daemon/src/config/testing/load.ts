/** A host that has nothing but what a test gives it. */
import { parseCommandLine } from "../command-line.ts";
import type { ConfigHost } from "../config-host.ts";
import type { Environment } from "../environment.ts";
import { type LoadedConfig, loadConfig } from "../load-config.ts";
import type { TextFile } from "../text-file.ts";

export interface Given {
  readonly args?: readonly string[];
  readonly env?: Environment;
  /** By path; a text alone is a file for its owner only */
  readonly files?: Readonly<Record<string, string | TextFile>>;
  readonly uid?: number;
}

export const load = ({ args = [], ...given }: Given): LoadedConfig =>
  loadConfig(parseCommandLine(args).settings, fakeConfigHost(given));

export const fakeConfigHost = ({ env = {}, files = {}, uid = 1000 }: Given): ConfigHost => ({
  env,
  uid,
  home: "/home/you",
  cpus: 4,
  memoryBytes: 8 * 1024 ** 3,
  readFile: (path) => {
    const file = files[path] ?? { kind: "absent" };
    return typeof file === "string" ? { kind: "text", text: file, mode: 0o100600 } : file;
  },
  isFile: (path) => files[path] !== undefined,
  isOwnDirectory: () => false,
  guestImagesDir: "/usr/share/flintlock/guest-images",
});
