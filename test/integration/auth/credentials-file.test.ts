/** The credentials file: what it may hold, who may read it, and that nothing of it is ever quoted. */
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FlintlockError, NO_QUOTA, silentLog } from "@flintlock/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openAccessSource } from "../../../packages/daemon/src/adapters/api/auth/access-source.ts";
import { readCredentialsFile } from "../../../packages/daemon/src/adapters/api/auth/credentials-file.ts";
import { findToken, tokenDigest } from "../../../packages/daemon/src/adapters/api/auth/find-token.ts";
import { until } from "../api/fixture.ts";

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "flintlock-credentials-"));
  path = join(directory, "credentials.yaml");
});
afterEach(() => rm(directory, { recursive: true }));

const write = (text: string): Promise<void> => writeFile(path, text, { mode: 0o600 });
const read = async (text: string) => {
  await write(text);
  return readCredentialsFile(path);
};

const SECRET = "a-secret-of-enough-characters";

test("tokens in all three forms, certificates, limits and quotas", async () => {
  await mkdir(join(directory, "tokens"));
  await writeFile(join(directory, "tokens/ci"), `${SECRET}-3\n`, { mode: 0o400 });
  const { rules, paths } = await read(`
limits: { requests_per_second: 50, burst: 100, microvms: 20 }
failures: { requests_per_second: 1 }
namespaces:
  ci: { microvms: 5, vcpu: 10, memory_in_mb: 20480 }
tokens:
  - name: plain
    role: viewer
    namespaces: all
    token: ${SECRET}-1
  - name: ci@example
    role: operator
    namespaces: [ci, staging]
    token: ["sha256:${tokenDigest(`${SECRET}-2`).toString("hex")}", "file:tokens/ci"]
    expires: 2049-01-31T12:00:00+01:00
    limits: { microvms: 3, requests_per_second: 5 }
certificates:
  - { name: fleet, role: admin, namespaces: all, uri: "spiffe://example/fleet" }
`);
  const named = [1, 2, 3, 4].map((n) => findToken(rules.tokens, Buffer.from(`${SECRET}-${n}`))?.caller);
  expect(named).toEqual([
    { name: "plain", role: "viewer", namespaces: "all" },
    { name: "ci@example", role: "operator", namespaces: ["ci", "staging"] },
    { name: "ci@example", role: "operator", namespaces: ["ci", "staging"] },
    undefined,
  ]);
  expect(rules.tokens[1]?.notAfter).toBe(Date.parse("2049-01-31T11:00:00Z"));
  expect(rules.certificates).toEqual([
    {
      match: { kind: "uri", value: "spiffe://example/fleet" },
      caller: { name: "fleet", role: "admin", namespaces: "all" },
    },
  ]);
  expect(rules.limitsOf.get("plain")).toEqual({
    rate: { perSecond: 50, burst: 100 },
    quota: { ...NO_QUOTA, microvms: 20 },
  });
  expect(rules.limitsOf.get("ci@example")).toEqual({
    rate: { perSecond: 5, burst: 5 },
    quota: { ...NO_QUOTA, microvms: 3 },
  });
  expect(rules.quotas.get("ci")).toEqual({ microvms: 5, vcpu: 10, memoryMib: 20_480 });
  expect(rules.failures).toEqual({ perSecond: 1, burst: 1 });
  expect(paths).toEqual([path, join(directory, "tokens/ci")]);
});

const token = (fields: string): string => `tokens: [{ name: ci, role: viewer, namespaces: all, ${fields} }]`;
const one = token(`token: ${SECRET}`);

test.each([
  ["tokens[0].role: must be one of viewer, operator, admin", one.replace("viewer", "root")],
  ["tokens[0].role: must be one of", one.replace("role: viewer, ", "")],
  ["tokens[0].rolle: is not known: use name, role,", one.replace("role", "rolle")],
  ["tokens[0].a key: is not known", one.replace("role", `"${SECRET}-as-key"`)],
  [`tokens[0].namespaces: must be a list of namespaces, or "all"`, one.replace("namespaces: all, ", "")],
  [`tokens[0].namespaces: must be a list of namespaces, or "all"`, one.replace("all", "[]")],
  ["tokens[0].namespaces[1]:", one.replace("all", "[ok, ../x]")],
  ["tokens[0].name: must be letters", one.replace("ci", '"a b"')],
  ["tokens[0].name: 'local' is taken", one.replace("ci", "local")],
  ["tokens[0].name: 'anonymous' is taken", one.replace("ci", "anonymous")],
  ["tokens[0].token: must be 16 to 4096", token("token: short")],
  ["tokens[0].token: must be 16 to 4096", token(`token: "${SECRET} with a space"`)],
  ["tokens[0].token: must be a text", token("token: 1234567890123456")],
  ["tokens[0].token: must be a text", token("")],
  ["tokens[0].token: must be a token, or a list", token("token: []")],
  ["tokens[0].token: must have 64", token("token: sha256:abc")],
  ["token file", token("token: file:nowhere")],
  ["tokens[0].expires: must be a time", token(`token: ${SECRET}, expires: tomorrow`)],
  ["tokens[0].expires: must be a time", token(`token: ${SECRET}, expires: 2027-13-01`)],
  ["tokens[0].expires: must be a time", token(`token: ${SECRET}, expires: "2027-01-01T00:00:00"`)],
  ["tokens[0].limits.microvms: must be a whole number", token(`token: ${SECRET}, limits: { microvms: -1 }`)],
  ["tokens[0].limits.vcpu: must be a whole number", token(`token: ${SECRET}, limits: { vcpu: 1.5 }`)],
  ["tokens[0].limits.requests_per_second: is required", token(`token: ${SECRET}, limits: { burst: 5 }`)],
  ["tokens[0].token: is that of ci", token(`token: [${SECRET}, ${SECRET}]`)],
  ["tokens: must be a list", "tokens: { a: b }"],
  ["tokens[0]: must be a mapping", `tokens: [${SECRET}]`],
  ["it: must be a mapping", SECRET],
  ["it: must be a mapping", ""],
  ["namespaces: must be a mapping", "namespaces: [a]"],
  ["namespaces.ci.cpus: is not known", "namespaces: { ci: { cpus: 1 } }"],
  ["certificates[0]: must have exactly one of", "certificates: [{ name: a, role: viewer, namespaces: all }]"],
  [
    "certificates[0]: must have exactly one of",
    "certificates: [{ name: a, role: viewer, namespaces: all, dns: a, uri: b }]",
  ],
  ["line 2: not valid YAML", `tokens:\n  - { name: "${SECRET}`],
  ["not valid YAML (DUPLICATE_KEY)", `tokens: []\ntokens: []`],
  ["aliases are not allowed", "a: &x [1]\ntokens: [*x, *x]"],
])("%s", async (words, text) => {
  const error = await read(text).then(
    () => undefined,
    (thrown: FlintlockError) => thrown,
  );
  expect(error?.code).toBe("invalid_spec");
  expect(error?.message).toContain(`${path}: `);
  expect(error?.message).toContain(words);
  expect(JSON.stringify([error?.message, error?.hint, error?.detail])).not.toContain(SECRET);
});

test("a file that others may read or change is refused, with the command that mends it", async () => {
  await write(one);
  for (const mode of [0o640, 0o604, 0o620, 0o666]) {
    await chmod(path, mode);
    await expect(readCredentialsFile(path)).rejects.toMatchObject({
      message: expect.stringContaining(`its mode is 0${mode.toString(8)}`),
      hint: `Run: chmod 600 ${path}`,
    });
  }
  // Not the link counts, but what it leads to
  await symlink(path, join(directory, "link"));
  await expect(readCredentialsFile(join(directory, "link"))).rejects.toThrow("may be used by others");
  await chmod(path, 0o600);
  expect((await readCredentialsFile(join(directory, "link"))).rules.tokens).toHaveLength(1);
  await writeFile(join(directory, "open"), SECRET, { mode: 0o644 });
  await chmod(join(directory, "open"), 0o644);
  await expect(read(token("token: file:open"))).rejects.toThrow("may be used by others");
});

test("a file that is no file, or far too large, is refused", async () => {
  await expect(readCredentialsFile(directory)).rejects.toThrow("is not a file");
  await expect(readCredentialsFile(`${path}.none`)).rejects.toThrow("does not exist");
  await expect(read(`# ${"x".repeat(1024 * 1024)}`)).rejects.toThrow("larger than");
});

test("a thousand entries are read, and one more is too many", async () => {
  const entries = (count: number): string =>
    `tokens:\n${Array.from(
      { length: count },
      (_, n) => `  - { name: t${n}, role: viewer, namespaces: all, token: ${SECRET}-${n} }\n`,
    ).join("")}`;
  expect((await read(entries(1_000))).rules.tokens).toHaveLength(1_000);
  await expect(read(entries(1_001))).rejects.toThrow("at most 1000");
});

test("changes are noticed, of the file and of a token file, and a broken one leaves what was", async () => {
  const errors: unknown[] = [];
  await writeFile(join(directory, "t"), `${SECRET}-1`, { mode: 0o600 });
  await write(token("token: file:t"));
  const source = await openAccessSource({
    authFile: path,
    basicAuthToken: "the token of the configuration",
    reloadPeriodMs: 10,
    log: { ...silentLog, error: (message, fields) => void errors.push({ message, ...fields }) },
  });
  const knows = (text: string): string | undefined =>
    findToken(source.rules().tokens, Buffer.from(text))?.caller.name;
  try {
    expect([knows(`${SECRET}-1`), knows("the token of the configuration")]).toEqual([
      "ci",
      "basic-auth-token",
    ]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await writeFile(join(directory, "t"), `${SECRET}-2`);
    await until(() => knows(`${SECRET}-2`) === "ci", "the new token file");
    expect(knows(`${SECRET}-1`)).toBeUndefined();
    await write("tokens: 1");
    await until(() => errors.length > 0, "the refusal");
    expect(knows(`${SECRET}-2`)).toBe("ci");
    await rm(path);
    await source.reload();
    expect(knows(`${SECRET}-2`)).toBe("ci");
    await write(token(`token: ${SECRET}-4`));
    await until(() => knows(`${SECRET}-4`) === "ci", "the mended file");
    expect(knows(`${SECRET}-2`)).toBeUndefined();
  } finally {
    source.close();
  }
});
