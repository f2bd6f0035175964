/** A request's target: where it goes, before anything is known of what is there. */
export interface Target {
  /** The path, decoded and then split at slashes: to grpc-gateway an encoded slash is one too */
  readonly components: readonly string[];
  /** As it came */
  readonly query: string;
}

/** Undefined when the target is no path, or is wrongly percent-encoded. */
export const parseTarget = (target: string): Target | undefined => {
  // A proxy's form of a target names the host once more
  const [, path, query = ""] = /^(?:https?:\/\/[^/?#]*)?\/([^?#]*)(?:\?([^#]*))?/i.exec(target) ?? [];
  if (path === undefined) return undefined;
  try {
    return { components: decodeURIComponent(path).split("/"), query };
  } catch {
    // decodeURIComponent throws nothing but URIError
    return undefined;
  }
};
