import type { PeerCertificate } from "node:tls";
import { type Caller, FlintlockError } from "@flintlock/core";
import { expect, test } from "vitest";
import { type AccessRules, DEFAULT_FAILURES } from "./access-rules.ts";
import { type Credentials, createAuthenticator } from "./authenticator.ts";
import { tokenDigest } from "./find-token.ts";

const NOW = Date.parse("2026-11-24T00:00:00Z");
const caller = (name: string): Caller => ({ name, role: "operator", namespaces: ["ns"] });
const token = (name: string, notAfter?: string) => ({
  digest: tokenDigest(`token-of-${name}`),
  caller: caller(name),
  notAfter: notAfter === undefined ? undefined : Date.parse(notAfter),
});
const rules: AccessRules = {
  tokens: [token("ci"), token("old", "2026-11-24T00:00:00Z"), token("young", "2026-11-24T00:00:01Z")],
  certificates: [
    { match: { kind: "uri", value: "spiffe://x/ci" }, caller: caller("ci-certificate") },
    { match: { kind: "common_name", value: "fleet" }, caller: caller("fleet") },
    { match: { kind: "dns", value: "fleet" }, caller: caller("fleet-by-dns") },
  ],
  isOpen: false,
  limitsOf: new Map(),
  quotas: new Map(),
  failures: DEFAULT_FAILURES,
};
const OPEN: AccessRules = { ...rules, tokens: [], certificates: [], isOpen: true };

const certificate = (CN: string, subjectaltname = "", until = "Jan  1 00:00:00 2030 GMT") =>
  ({
    subject: { CN },
    subjectaltname,
    valid_from: "Jan  1 00:00:00 2020 GMT",
    valid_to: until,
    raw: Buffer.alloc(1),
  }) as unknown as PeerCertificate;

const ask = (credentials: Partial<Credentials>, by: AccessRules = rules): string => {
  const all = {
    method: "/a.B/C",
    peer: "",
    authorization: undefined,
    certificate: undefined,
    ...credentials,
  };
  try {
    const { name, role } = createAuthenticator(
      () => by,
      () => NOW,
    )(all);
    return `${name} ${role}`;
  } catch (error) {
    return error instanceof FlintlockError ? `${error.code}: ${error.message}` : String(error);
  }
};

const WRONG = "unauthenticated: invalid auth token: failed basic authentication. Check the token supplied";
const NONE =
  "unauthenticated: could not extract token from request header: rpc error: code = Unauthenticated desc = Request unauthenticated with basic";

test("a token says who calls, until it expires", () => {
  expect(ask({ authorization: "Bearer token-of-ci" })).toBe("ci operator");
  expect(ask({ authorization: "Bearer token-of-young" })).toBe("young operator");
  expect(ask({ authorization: "Bearer token-of-old" })).toBe(WRONG);
  expect(ask({ authorization: "Bearer token-of-nobody" })).toBe(WRONG);
  expect(ask({})).toBe(NONE);
});

test("a certificate says who calls, by exactly one of its names", () => {
  expect(ask({ certificate: certificate("x", "URI:spiffe://x/ci") })).toBe("ci-certificate operator");
  expect(ask({ certificate: certificate("fleet") })).toBe("fleet operator");
  expect(ask({ certificate: certificate("x", "DNS:fleet") })).toBe("fleet-by-dns operator");
  for (const wrong of [
    certificate("Fleet"),
    certificate("fleet "),
    certificate("spiffe://x/ci"),
    certificate("x", "DNS:spiffe://x/ci"),
    certificate("x", "URI:spiffe://x/ci/more"),
    certificate("x", "email:fleet"),
  ])
    expect(ask({ certificate: wrong })).toBe(
      "unauthenticated: the client certificate names nobody who may call",
    );
});

test("a token that was sent decides: a right one names the caller, a wrong one is not made good", () => {
  const good = certificate("fleet");
  expect(ask({ certificate: good, authorization: "Bearer token-of-ci" })).toBe("ci operator");
  expect(ask({ certificate: good, authorization: "Bearer wrong" })).toBe(WRONG);
  expect(ask({ certificate: good, authorization: "" })).toBe(NONE);
  const stranger = certificate("stranger");
  expect(ask({ certificate: stranger, authorization: "Bearer token-of-ci" })).toBe("ci operator");
});

test("a certificate that expired on an open connection does not call any more", () => {
  const late = certificate("fleet", "", "Nov 23 23:59:59 2026 GMT");
  for (const by of [rules, OPEN])
    expect(ask({ certificate: late }, by)).toBe(
      "unauthenticated: the client certificate is not valid at this time",
    );
});

test("where nothing is configured everybody may all, by name where there is one", () => {
  expect(ask({}, OPEN)).toBe("anonymous admin");
  expect(ask({ authorization: "Basic c29tZXRoaW5n" }, OPEN)).toBe("anonymous admin");
  expect(ask({ certificate: certificate("fleet") }, OPEN)).toBe("certificate:fleet admin");
});

test("with a token alone configured, a certificate is not enough, as upstream", () => {
  const basic: AccessRules = { ...rules, certificates: [] };
  expect(ask({ certificate: certificate("fleet") }, basic)).toBe(NONE);
  expect(ask({ certificate: certificate("fleet"), authorization: "Bearer token-of-ci" }, basic)).toBe(
    "ci operator",
  );
});

test("health asks nobody, and what looks like health does", () => {
  expect(ask({ method: "/grpc.health.v1.Health/Check" })).toBe("nobody viewer");
  expect(ask({ method: "/grpc.health.v1.Health/Watch", authorization: "Bearer wrong" })).toBe(
    "nobody viewer",
  );
  for (const method of [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.health.v1.Health/Check/",
    "/grpc.health.v1.Health/List",
    "//grpc.health.v1.Health/Check",
  ])
    expect(ask({ method })).toBe(NONE);
});
