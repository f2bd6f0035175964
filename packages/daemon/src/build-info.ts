/** What `scripts/build.mjs` puts into the bundle; run from source, nothing is known. */

declare const BUILD_DATE: string | undefined;
declare const COMMIT_HASH: string | undefined;

export const buildDate: string | undefined = typeof BUILD_DATE === "string" ? BUILD_DATE : undefined;
export const commitHash: string | undefined = typeof COMMIT_HASH === "string" ? COMMIT_HASH : undefined;
