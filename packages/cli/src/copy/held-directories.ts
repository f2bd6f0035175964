/**
 * Directories below a destination, held open while they are worked in. A name is looked up in the directory itself
 * (`/proc/self/fd`), never by its whole path, and no symlink is followed on the way: what a guest put there, or puts
 * there meanwhile through a shared directory, leads nowhere.
 */
import { closeSync, constants, mkdirSync, openSync } from "node:fs";
import { CliError, codeOf } from "../cli-error.ts";
import { fromBinary, shownName } from "./tar-entry.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
/** Each holds a descriptor. */
const MAX_DEPTH = 512;

export class HeldDirectories implements Disposable {
  readonly #root: number;
  /** From the root down to the one that was used last */
  readonly #chain: { readonly name: string; readonly fd: number }[] = [];

  /** `directory` is the user's own word: its symlinks are followed. */
  constructor(directory: string) {
    this.#root = openSync(directory, O_RDONLY | O_DIRECTORY);
  }

  /** The descriptor of the directory; good until the next call. One that is missing is made, mode 0755. */
  enter(names: readonly string[]): number {
    if (names.length > MAX_DEPTH)
      throw new CliError("data_loss", `nested deeper than ${MAX_DEPTH} directories`);
    let same = 0;
    while (same < names.length && this.#chain[same]?.name === names[same]) same += 1;
    this.#leave(same);
    for (const name of names.slice(same)) this.#chain.push({ name, fd: this.#open(this.#last(), name) });
    return this.#last();
  }

  #open(parent: number, name: string): number {
    const path = inside(parent, name);
    try {
      return openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    } catch (error) {
      if (codeOf(error) === "ENOENT") {
        mkdirSync(path, 0o755);
        return openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      }
      if (codeOf(error) !== "ENOTDIR" && codeOf(error) !== "ELOOP") throw error;
      throw new CliError("conflict", `${shownName(name)} is no directory here`);
    }
  }

  #last(): number {
    return this.#chain.at(-1)?.fd ?? this.#root;
  }

  #leave(depth: number): void {
    for (const { fd } of this.#chain.splice(depth)) closeSync(fd);
  }

  [Symbol.dispose](): void {
    this.#leave(0);
    closeSync(this.#root);
  }
}

/** The path of `name`, one component, in an open directory. */
export const inside = (fd: number, name: string): Buffer =>
  Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), fromBinary(name)]);
