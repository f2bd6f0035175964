import { describe, expect, test } from "vitest";
import { type ConnectionOptions, resolveConnection } from "./connection-options.ts";

const TOKEN = "a-token-of-enough-length";
const PEM = "-----BEGIN CERTIFICATE-----\n";

const refusal = (options: ConnectionOptions, env: Record<string, string> = {}): unknown => {
  try {
    return resolveConnection(options, env);
  } catch (error) {
    return error;
  }
};

describe("a connection is refused before it is made", () => {
  test.each<[string, ConnectionOptions, string]>([
    ["a token that would go out unencrypted", { address: "host:9090", token: TOKEN }, "tls"],
    ["a token too short", { address: "host:9090", token: "short", tls: true }, "token"],
    ["a token with a line break", { address: "host:9090", token: `${TOKEN}\n${TOKEN}`, tls: true }, "token"],
    ["a token twice", { address: "host:9090", token: TOKEN, tokenFile: "/f", tls: true }, "tokenFile"],
    ["a token file that is not there", { address: "h:1", tokenFile: "/none/token", tls: true }, "tokenFile"],
    ["an authority that is no PEM", { address: "h:1", tls: { ca: Buffer.from("x") } }, "tls.ca"],
    ["an authority that is not there", { address: "h:1", tls: { ca: "/none/ca.pem" } }, "tls.ca"],
    ["a certificate without its key", { address: "h:1", tls: { cert: PEM } }, "tls"],
    ["TLS on a Unix socket", { address: "unix:///s", tls: true }, "tls"],
    ["a limit below nothing", { address: "unix:///s", timeouts: { callMs: -1 } }, "timeouts.callMs"],
    ["no address", { address: "nowhere" }, "host"],
  ])("%s", (_, options, field) => {
    const error = refusal(options);
    expect(error).toMatchObject({ name: "ClientError", code: "invalid_spec", field });
    expect(String(error)).not.toContain(TOKEN);
  });
});

test("the environment says what a program does not, and nothing of it reaches a Unix socket", () => {
  const env = { FLINTLOCK_HOST: "host:9090", FLINTLOCK_TOKEN: TOKEN, FLINTLOCK_TLS: "1" };
  expect(resolveConnection({}, env)).toMatchObject({ address: "host:9090", token: TOKEN, tls: {} });
  expect(resolveConnection({ token: `${TOKEN}2` }, env).token).toBe(`${TOKEN}2`);
  expect(resolveConnection({ address: "unix:///s" }, env)).toMatchObject({
    token: undefined,
    tls: undefined,
  });
  const other = resolveConnection({}, { FLINTLOCK_HOST: "h:1", FLINTLOCK_TLS_CA: PEM });
  expect(other.tls?.ca?.toString()).toBe(PEM);
  expect(refusal({ tls: false }, env)).toMatchObject({ field: "tls" });
});

test("on loopback a token may go without TLS: so it is with flintlockd --insecure", () => {
  for (const address of ["localhost:9090", "127.0.0.1:9090", "[::1]:9090"]) {
    expect(resolveConnection({ address, token: TOKEN }, {})).toMatchObject({ token: TOKEN, tls: undefined });
  }
});
