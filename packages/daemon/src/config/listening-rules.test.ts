import { expect, test } from "vitest";
import { load } from "./testing/load.ts";

const files = { "/c.pem": "cert", "/k.pem": "key", "/ca.pem": "ca" };
const TLS = ["--tls-cert", "/c.pem", "--tls-key", "/k.pem"];
const config = (...args: readonly string[]) => load({ args, files }).config;

test("without TLS or --insecure, TCP is off and a note says how to turn it on", () => {
  const { grpcEndpoint, httpEndpoint, notices } = config();
  expect([grpcEndpoint, httpEndpoint]).toEqual([undefined, undefined]);
  expect(notices).toEqual([
    {
      level: "info",
      option: "grpc-endpoint",
      text: "gRPC on TCP is off: it needs --tls-cert and --tls-key, or --insecure",
    },
  ]);
});

test.each([
  ["--grpc-endpoint", "localhost:9090"],
  ["--http-endpoint", "127.0.0.1:8090"],
  ["--legacy-grpc-endpoint", "localhost:9091"],
  ["--legacy-http-endpoint", "localhost:8091"],
])("%s by name is refused without TLS or --insecure, on loopback too", (flag, endpoint) => {
  expect(() => config(flag, endpoint)).toThrow(
    `${flag}: certificate file path is required when running securely`,
  );
  expect(() => config("--insecure", flag, endpoint)).not.toThrow();
});

test("--enable-http is refused without TLS or --insecure, and empty endpoints are not", () => {
  expect(() => config("--enable-http")).toThrow("--enable-http: certificate file path is required");
  expect(config("--grpc-endpoint", "", "--http-endpoint=").grpcEndpoint).toBeUndefined();
});

test("--insecure opens upstream's gRPC endpoint, HTTP only when it is wanted", () => {
  expect(config("--insecure")).toMatchObject({ grpcEndpoint: "localhost:9090", httpEndpoint: undefined });
  expect(config("--insecure", "--enable-http").httpEndpoint).toBe("localhost:8090");
  expect(config("--insecure", "--http-endpoint", "[::1]:80").httpEndpoint).toBe("[::1]:80");
  expect(
    config("--insecure", "--enable-http=false", "--http-endpoint", "[::1]:80").httpEndpoint,
  ).toBeUndefined();
  expect(config("--insecure", "--grpc-endpoint", "").grpcEndpoint).toBeUndefined();
});

test("an endpoint that others reach without TLS is warned of", () => {
  const texts = config("--insecure", "--grpc-endpoint", "0.0.0.0:9090").notices.map(({ text }) => text);
  expect(texts).toContain("0.0.0.0:9090 can be reached from other machines, without TLS");
});

test("with TLS the endpoints are open, and carry it", () => {
  const tls = { certPath: "/c.pem", keyPath: "/k.pem", clientCaPath: undefined, isClientRequired: false };
  expect(config(...TLS)).toMatchObject({ grpcEndpoint: "localhost:9090", isInsecure: false, tls });
  expect(config(...TLS, "--tls-client-validate", "--tls-client-ca", "/ca.pem").tls).toEqual({
    ...tls,
    clientCaPath: "/ca.pem",
    isClientRequired: true,
  });
  expect(config(...TLS, "--tls-client-ca", "/ca.pem").notices).toContainEqual(
    expect.objectContaining({ level: "warn", option: "tls-client-ca" }),
  );
});

test.each([
  [["--tls-key", "/k.pem"], "certificate file path is required when running securely"],
  [["--tls-cert", "/c.pem"], "certificate key file path is required when running securely"],
  [[...TLS, "--tls-client-validate"], "client certificate key file path is required when running mTLS"],
  [["--tls-cert", "/no.pem", "--tls-key", "/k.pem"], "certificate file /no.pem does not exist"],
  [["--tls-cert", "/c.pem", "--tls-key", "/no.pem"], "key file /no.pem does not exist"],
  [[...TLS, "--tls-client-ca", "/no.pem"], "client CA file /no.pem does not exist"],
  [["--insecure", "--tls-cert", "/c.pem"], "cannot specify tls certificate details when running insecurely"],
  [["--insecure", "--tls-key", "/k.pem"], "cannot specify tls certificate details when running insecurely"],
  [["--insecure", "--tls-client-validate"], "cannot specify tls certificate details when running insecurely"],
])("%j is refused in upstream's words", (args, words) => {
  expect(() => config(...args)).toThrow(words);
});

test.each([
  "localhost",
  "localhost:",
  "localhost:65536",
  "localhost:9x",
  "[::1:90",
  "a b:1",
  "[x]:1",
  "http://h:1",
])("the endpoint '%s' is refused", (endpoint) => {
  expect(() => config("--insecure", "--grpc-endpoint", endpoint)).toThrow("is not host:port");
});
