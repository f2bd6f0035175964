import { FlintlockError } from "@flintlock/core";
import { shown } from "../untrusted-json.ts";
import type { IndexEntry, Platform } from "./manifest.ts";

/** The platform guests of this host run. */
export interface HostPlatform {
  readonly os: "linux";
  readonly architecture: "amd64" | "arm64";
}

/** What an entry without a variant means (containerd's and docker's normalisation). */
const BASE_VARIANT = { amd64: "v1", arm64: "v8" } as const;
const MAX_LISTED = 16;

/**
 * Picks the entry for `host`: same os and architecture, the base variant first, then the lowest one. An
 * index with a single entry that names no platform is taken at its word; the configuration is checked later.
 * @throws FlintlockError `not_found` – nothing fits; the message lists what is offered
 */
export const choosePlatform = <Entry extends Pick<IndexEntry, "platform">>(
  entries: readonly Entry[],
  host: HostPlatform,
  image: string,
): Entry => {
  const [only] = entries;
  if (only !== undefined && entries.length === 1 && only.platform === undefined) return only;
  const fitting = entries
    .filter(({ platform }) => platform?.os === host.os && platform.architecture === host.architecture)
    .map((entry) => ({ entry, rank: variantRank(entry.platform?.variant ?? "", host) }))
    .sort((a, b) => a.rank.localeCompare(b.rank, "en", { numeric: true }));
  const best = fitting[0]?.entry;
  if (best !== undefined) return best;
  throw wrongPlatform(
    image,
    host,
    entries.flatMap(({ platform }) => (platform === undefined ? [] : [platform])),
  );
};

/** @throws FlintlockError `not_found` – the image says it is for another platform */
export const checkPlatform = (platform: Platform, host: HostPlatform, image: string): void => {
  const isOther =
    (platform.os !== "" && platform.os !== host.os) ||
    (platform.architecture !== "" && platform.architecture !== host.architecture);
  if (isOther) throw wrongPlatform(image, host, [platform]);
};

export const platformText = ({ os, architecture, variant }: Platform): string =>
  variant === "" ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;

const wrongPlatform = (image: string, host: HostPlatform, offered: readonly Platform[]): FlintlockError => {
  // Build attestations hide in indexes as `unknown/unknown`; nobody can run one.
  const names = [...new Set(offered.filter(({ os }) => os !== "unknown").map(platformText))];
  const listed = names.slice(0, MAX_LISTED).map(shown).join(", ");
  const rest = names.length > MAX_LISTED ? ` and ${names.length - MAX_LISTED} more` : "";
  return new FlintlockError(
    "not_found",
    `${image} has no image for ${host.os}/${host.architecture}; it offers ${listed === "" ? "none" : listed + rest}`,
    { hint: "Use an image built for this host's architecture." },
  );
};

const variantRank = (variant: string, host: HostPlatform): string =>
  variant === "" || variant === BASE_VARIANT[host.architecture] ? "" : variant;
