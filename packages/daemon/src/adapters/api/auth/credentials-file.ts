/**
 * The credentials file (`--auth-file`): YAML, tokens and certificates with a role and namespaces each, and limits.
 * docs/security.md describes it for people.
 */
import { dirname, resolve } from "node:path";
import {
  type Caller,
  FlintlockError,
  invalidField,
  NO_QUOTA,
  parseName,
  type Quota,
  ROLES,
} from "@flintlock/core";
import { parseDocument } from "yaml";
import {
  type AccessRules,
  ANONYMOUS,
  BASIC_AUTH_CALLER,
  type CallerLimits,
  type CertificateIdentity,
  DEFAULT_FAILURES,
  NOBODY,
  type Rate,
  type TokenEntry,
} from "./access-rules.ts";
import { at, type Fields, fieldsOf, listAt, oneOfAt, textAt, timeAt, wholeAt } from "./credentials-fields.ts";
import { readPrivateFile } from "./private-file.ts";
import { tokenDigests } from "./token-values.ts";

const MAX_FILE_BYTES = 1024 * 1024;
const MAX_CALLERS = 1_000;
const MAX_NAME_CHARS = 128;
const MAX_MATCH_CHARS = 1_024;
const CALLER_NAME = /^[A-Za-z0-9][A-Za-z0-9._@/-]*$/;
/** Names of callers that no file makes */
const RESERVED = ["local", "flintlockd", ANONYMOUS.name, NOBODY.name, BASIC_AUTH_CALLER.name];

export interface CredentialsFile {
  readonly rules: Omit<AccessRules, "isOpen">;
  /** Everything that was read: what a change of the rules may come from */
  readonly paths: readonly string[];
}

/** @throws FlintlockError `invalid_spec` – names the file and the field, and quotes nothing of it */
export const readCredentialsFile = async (path: string): Promise<CredentialsFile> => {
  const text = await readPrivateFile(path, "credentials file", MAX_FILE_BYTES);
  try {
    return await parse(path, parseYaml(text));
  } catch (error) {
    if (!(error instanceof FlintlockError)) throw error;
    const { code, message, detail, hint } = error;
    throw new FlintlockError(code, `credentials file ${path}: ${message}`, { detail, hint });
  }
};

/** The parser's own words may hold a piece of the file: only where it stopped is told. */
const parseYaml = (text: string): unknown => {
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: true, schema: "core" });
  const [error] = document.errors;
  if (error !== undefined) {
    const line = error.linePos?.[0]?.line;
    throw new FlintlockError("invalid_spec", `line ${line ?? "?"}: not valid YAML (${error.code})`);
  }
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch {
    // Its words may quote the file too
    throw new FlintlockError("invalid_spec", "aliases are not allowed in it");
  }
};

const parse = async (path: string, value: unknown): Promise<CredentialsFile> => {
  const fields = fieldsOf(value, "", ["tokens", "certificates", "limits", "failures", "namespaces"]);
  const names = new Set<string>(RESERVED);
  const defaultLimits = limitsAt(fields, "limits", undefined);
  const limitsOf = new Map<string, CallerLimits>([[BASIC_AUTH_CALLER.name, defaultLimits]]);
  const callerIn = (entry: Fields): Caller => {
    const caller = parseCaller(entry, names);
    limitsOf.set(caller.name, limitsAt(entry, "limits", defaultLimits));
    return caller;
  };

  const paths = [path];
  const tokens: TokenEntry[] = [];
  for (const [n, item] of listAt(fields, "tokens", MAX_CALLERS).entries()) {
    const entry = fieldsOf(item, `tokens[${n}]`, [
      ...["name", "role", "namespaces", "token", "expires", "limits"],
    ]);
    const caller = callerIn(entry);
    const notAfter = timeAt(entry, "expires");
    const { digests, files } = await tokenDigests(entry, (file) => resolve(dirname(path), file));
    paths.push(...files);
    for (const digest of digests) {
      const twin = tokens.find((other) => other.digest.equals(digest));
      if (twin !== undefined)
        throw invalidField(at(entry, "token"), `is that of ${twin.caller.name}: give each its own`);
      tokens.push({ digest, caller, notAfter });
    }
  }
  const certificates = listAt(fields, "certificates", MAX_CALLERS).map((item, n): CertificateIdentity => {
    const known = ["name", "role", "namespaces", "common_name", "dns", "uri", "limits"];
    const entry = fieldsOf(item, `certificates[${n}]`, known);
    return { caller: callerIn(entry), match: matchIn(entry) };
  });
  const failures = fields.has("failures")
    ? rateIn(fieldsOf(fields.get("failures"), "failures", RATE_FIELDS))
    : undefined;
  return {
    paths,
    rules: {
      tokens,
      certificates,
      limitsOf,
      quotas: quotasAt(fields),
      failures: failures ?? DEFAULT_FAILURES,
    },
  };
};

const parseCaller = (entry: Fields, taken: Set<string>): Caller => {
  const name = textAt(entry, "name", MAX_NAME_CHARS);
  if (!CALLER_NAME.test(name)) {
    throw invalidField(at(entry, "name"), "must be letters, digits, '.', '_', '@', '/' or '-'");
  }
  if (taken.has(name)) throw invalidField(at(entry, "name"), `'${name}' is taken: names are unique`);
  taken.add(name);
  return { name, role: oneOfAt(entry, "role", ROLES), namespaces: namespacesAt(entry) };
};

/** Not to be left out: a caller of every namespace is to be meant. */
const namespacesAt = (entry: Fields): Caller["namespaces"] => {
  const value = entry.get("namespaces");
  if (value === "all") return value;
  const path = at(entry, "namespaces");
  if (!Array.isArray(value) || value.length === 0) {
    throw invalidField(path, `must be a list of namespaces, or "all"`);
  }
  return value.map((name, n) => parseName(String(name), `${path}[${n}]`));
};

const MATCHES = ["common_name", "dns", "uri"] as const;

const matchIn = (entry: Fields): CertificateIdentity["match"] => {
  const [kind, ...others] = MATCHES.filter((one) => entry.has(one));
  if (kind === undefined || others.length > 0) {
    throw invalidField(entry.path, `must have exactly one of ${MATCHES.join(", ")}`);
  }
  return { kind, value: textAt(entry, kind, MAX_MATCH_CHARS) };
};

const RATE_FIELDS = ["requests_per_second", "burst"];
const QUOTA_FIELDS = ["microvms", "vcpu", "memory_in_mb"];

const rateIn = (fields: Fields): Rate | undefined => {
  const perSecond = wholeAt(fields, "requests_per_second", 1);
  const burst = wholeAt(fields, "burst", 1);
  if (perSecond === undefined) {
    if (burst === undefined) return undefined;
    throw invalidField(at(fields, "requests_per_second"), "is required where there is a burst");
  }
  return { perSecond, burst: burst ?? perSecond };
};

const quotaIn = (fields: Fields): Quota => ({
  microvms: wholeAt(fields, "microvms", 0),
  vcpu: wholeAt(fields, "vcpu", 0),
  memoryMib: wholeAt(fields, "memory_in_mb", 0),
});

/** What an entry leaves out is as for everybody. */
const limitsAt = (entry: Fields, name: string, inherited: CallerLimits | undefined): CallerLimits => {
  const before = inherited ?? { rate: undefined, quota: NO_QUOTA };
  if (!entry.has(name)) return before;
  const fields = fieldsOf(entry.get(name), at(entry, name), [...RATE_FIELDS, ...QUOTA_FIELDS]);
  const quota = quotaIn(fields);
  return {
    rate: rateIn(fields) ?? before.rate,
    quota: {
      microvms: quota.microvms ?? before.quota.microvms,
      vcpu: quota.vcpu ?? before.quota.vcpu,
      memoryMib: quota.memoryMib ?? before.quota.memoryMib,
    },
  };
};

const quotasAt = (fields: Fields): ReadonlyMap<string, Quota> => {
  const value = fields.get("namespaces") ?? {};
  if (typeof value !== "object" || Array.isArray(value)) {
    throw invalidField("namespaces", "must be a mapping from namespaces to quotas");
  }
  return new Map(
    Object.entries(value ?? {}).map(([name, quota]) => [
      parseName(name, "namespaces"),
      quotaIn(fieldsOf(quota, `namespaces.${name}`, QUOTA_FIELDS)),
    ]),
  );
};
