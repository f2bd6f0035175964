/** Where a copy goes, by the rules of `docker cp`. */
import { CliError } from "../cli-error.ts";

export interface CopySource {
  /** Its last component */
  readonly name: string;
  readonly isDirectory: boolean;
  /** Of a directory, without the directory itself: its path ended in `/.` */
  readonly isContentOnly: boolean;
}

export interface Destination {
  /** As the user wrote it, made absolute on a guest */
  readonly path: string;
  /** What is there, symlinks followed */
  readonly kind: "directory" | "other" | "missing";
  /** Where it is, symlinks followed; of one that is not there, `path` */
  readonly truePath: string;
}

export interface Place {
  /** To write in; has to be there */
  readonly directory: string;
  /** What the copy is called there; empty = the directory itself gets the content */
  readonly name: string;
}

/** @throws CliError `conflict`, `not_found` – the source does not go there */
export const placeOf = (source: CopySource, { path, kind, truePath }: Destination): Place => {
  const isContent = source.isDirectory && source.isContentOnly;
  if (kind === "directory") return { directory: path, name: isContent ? "" : source.name };
  if (kind === "other") {
    if (source.isDirectory)
      throw new CliError("conflict", `${path} is a file: a directory cannot be copied onto it`);
    if (path.endsWith("/")) throw new CliError("conflict", `${path} is not a directory`);
  } else if (path.endsWith("/") && !source.isDirectory) {
    throw new CliError("not_found", `the directory ${path} is not there`, { hint: "make it first" });
  }
  const [directory, name] = splitLast(truePath);
  if (name === "" || name === "." || name === "..") throw new CliError("not_found", `${path} is not there`);
  return { directory, name };
};

/** `a/b/` as `a` and `b`, `b` as `.` and `b`. */
export const splitLast = (path: string): readonly [string, string] => {
  const [, directory = "", name = ""] = /^(.*?)([^/]*)\/*$/s.exec(path) ?? [];
  return [directory === "" ? "." : directory, name];
};
