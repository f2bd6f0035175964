/** Which requests go to which kind of daemon, and where upstream's answers to them are kept. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Case, Observation } from "./wire/case.ts";
import { GRPC_CASES } from "./wire/grpc-cases.ts";
import { HTTP_CASES } from "./wire/http-cases.ts";
import { LEGACY_CASES } from "./wire/legacy-cases.ts";
import { TOKEN_CASES } from "./wire/token-cases.ts";

/**
 * `open`: `--insecure`, without a token; `token`: the same with `--basic-auth-token secret`; `legacy`: v0.1.0-alpha.2, and
 * our legacy endpoints.
 */
export const SUITES = {
  open: [...GRPC_CASES, ...HTTP_CASES],
  token: TOKEN_CASES,
  legacy: LEGACY_CASES,
} as const satisfies Record<string, readonly Case[]>;

export type SuiteName = keyof typeof SUITES;

export const suiteName = (text: string | undefined): SuiteName => {
  if (text === "open" || text === "token" || text === "legacy") return text;
  throw new Error(`the suite is 'open', 'token' or 'legacy', not '${text ?? ""}'`);
};

export interface Recording {
  /** What answered */
  readonly upstream: string;
  readonly observations: readonly Observation[];
}

export const recordingPath = (suite: SuiteName): string =>
  join(import.meta.dirname, "recorded", `${suite}.json`);

export const readRecording = async (suite: SuiteName): Promise<Recording> =>
  JSON.parse(await readFile(recordingPath(suite), "utf8"));
