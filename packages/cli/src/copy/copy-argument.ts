import { usageError } from "../cli-error.ts";

export type CopyArgument =
  | { readonly kind: "stream" }
  | { readonly kind: "host"; readonly path: string }
  | { readonly kind: "guest"; readonly target: string; readonly path: string };

/**
 * `VM:PATH`, a path here, or `-`. As docker reads it: what begins with `/` or `.`, or has a `/` before the colon, is a path
 * here. A guest's path is taken from its `/`.
 */
export const parseCopyArgument = (text: string): CopyArgument => {
  if (text === "-") return { kind: "stream" };
  if (text === "") throw usageError("a path is empty");
  const [, target, path] = /^([^/.:][^/:]*):(.*)$/s.exec(text) ?? [];
  if (target === undefined || path === undefined) return { kind: "host", path: text };
  if (path === "") throw usageError(`${text}: no path was given`, `flintlock cp ${target}:/etc/hostname .`);
  return { kind: "guest", target, path: path.startsWith("/") ? path : `/${path}` };
};

/** The directory is named for what is in it. */
export const isContentPath = (path: string): boolean => /(^|\/)\.$/.test(path);
