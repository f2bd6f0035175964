import { FlintlockError, LOCAL_CALLER, NO_QUOTA } from "@flintlock/core";
import { expect, test } from "vitest";
import type { CallInfo } from "../interceptor.ts";
import type { AccessRules } from "./access-rules.ts";
import type { Authenticator, Credentials } from "./authenticator.ts";
import { limitCallers, limitFailures } from "./rate-limits.ts";

const rules: AccessRules = {
  tokens: [],
  certificates: [],
  isOpen: false,
  limitsOf: new Map([["ci", { rate: { perSecond: 1, burst: 2 }, quota: NO_QUOTA }]]),
  quotas: new Map(),
  failures: { perSecond: 1, burst: 2 },
};

const call = (name: string): CallInfo => ({
  method: "/a.B/C",
  transport: "grpc",
  listener: "grpc",
  peer: "10.0.0.1:1",
  caller: { ...LOCAL_CALLER, name },
  metadata: new Map(),
});

test("a caller over its rate is refused with when to come back, and the audit log hears of the first", () => {
  let now = 0;
  const heard: string[] = [];
  const limit = limitCallers({ rules: () => rules, now: () => now }, ({ caller }) => heard.push(caller.name));
  const tooMany = expect.objectContaining({ code: "exhausted", detail: { retry_after_ms: 1_000 } });
  limit(call("ci"));
  limit(call("ci"));
  for (let n = 0; n < 5; n += 1) expect(() => limit(call("ci"))).toThrow(tooMany);
  for (let n = 0; n < 5; n += 1) limit(call("another"));
  expect(heard).toEqual(["ci"]);
  now = 1_000;
  limit(call("ci"));
});

test("wrong credentials are counted by address, and never keep right ones out", () => {
  const heard: string[] = [];
  const authenticate: Authenticator = ({ authorization }) => {
    if (authorization === "right") return LOCAL_CALLER;
    throw new FlintlockError("unauthenticated", "wrong");
  };
  const limited = limitFailures({ rules: () => rules, now: () => 0 })(authenticate, ({ peer }, { code }) =>
    heard.push(`${peer} ${code}`),
  );
  const attempt = (authorization: string, peer = "10.0.0.1:1"): unknown => {
    const credentials: Credentials = { method: "/a.B/C", peer, authorization, certificate: undefined };
    try {
      return limited(credentials).name;
    } catch (error) {
      return (error as FlintlockError).code;
    }
  };
  expect([1, 2, 3, 4].map((port) => attempt("wrong", `10.0.0.1:${port}`))).toEqual([
    "unauthenticated",
    "unauthenticated",
    "exhausted",
    "exhausted",
  ]);
  expect([attempt("right"), attempt("wrong", "10.0.0.2:1")]).toEqual(["local", "unauthenticated"]);
  expect(heard).toEqual([
    "10.0.0.1:1 unauthenticated",
    "10.0.0.1:2 unauthenticated",
    "10.0.0.1:3 exhausted",
    "10.0.0.2:1 unauthenticated",
  ]);
});
