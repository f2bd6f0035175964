/** The virtiofsd programs of this host: Debian 12's in C, and the one in Rust, of a package or in `FLINTLOCK_VMM_DIR`. */
import { access } from "node:fs/promises";
import { join } from "node:path";

export interface VirtiofsdProgram {
  readonly name: string;
  readonly path: string;
  readonly isReadOnlyCapable: boolean;
  /** Why it cannot be used here */
  readonly obstacle: string | undefined;
}

/** One with an obstacle where there is none. */
export const VIRTIOFSDS = async (): Promise<readonly VirtiofsdProgram[]> => {
  const rust = [
    "/usr/libexec/virtiofsd",
    join(process.env["FLINTLOCK_VMM_DIR"] ?? "/nonexistent", "virtiofsd"),
  ];
  const [found] = await existing(rust);
  const [c] = await existing(["/usr/lib/qemu/virtiofsd"]);
  const obstacle = process.geteuid?.() === 0 ? undefined : "virtiofsd is sandboxed by root only";
  const programs = [
    ...(found === undefined
      ? []
      : [{ name: "the one in Rust", path: found, isReadOnlyCapable: true, obstacle }]),
    ...(c === undefined ? [] : [{ name: "the one in C", path: c, isReadOnlyCapable: false, obstacle }]),
  ];
  if (programs.length > 0) return programs;
  return [{ name: "virtiofsd", path: "", isReadOnlyCapable: false, obstacle: "there is none on this host" }];
};

const existing = async (paths: readonly string[]): Promise<readonly string[]> => {
  const found: string[] = [];
  for (const path of paths) {
    await access(path).then(
      () => found.push(path),
      () => undefined, // The next may be there.
    );
  }
  return found;
};
