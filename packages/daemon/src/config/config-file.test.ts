import { expect, test } from "vitest";
import { parseConfigFile } from "./config-file.ts";
import { load } from "./testing/load.ts";

const ETC = "/etc/opt/flintlockd/config.yaml";
const parse = (text: string) => Object.fromEntries(parseConfigFile("/c.yaml", text));

test("the first file that exists is read: /etc/opt, then the user's", () => {
  const files = { [ETC]: "maximum-retry: 1", "/x/flintlockd/config.yaml": "maximum-retry: 2" };
  const env = { XDG_CONFIG_HOME: "/x" };
  expect(load({ files, env }).config).toMatchObject({ maxRetry: 1, configFile: ETC });
  const { [ETC]: _, ...users } = files;
  expect(load({ files: users, env }).config).toMatchObject({
    maxRetry: 2,
    configFile: "/x/flintlockd/config.yaml",
  });
});

test("a file that is named is the only one, and must exist", () => {
  const files = { [ETC]: "maximum-retry: 1", "/my.yaml": "maximum-retry: 3" };
  expect(load({ args: ["--config", "/my.yaml"], files }).config.maxRetry).toBe(3);
  expect(load({ env: { FLINTLOCKD_CONFIG: "/my.yaml" }, files }).config.maxRetry).toBe(3);
  expect(() => load({ args: ["--config", "/none.yaml"], files })).toThrow(
    "--config: file /none.yaml does not exist",
  );
});

test("a file that is there and cannot be read is an error, not an absence", () => {
  const files = { [ETC]: { kind: "unreadable", why: "EACCES: permission denied" } } as const;
  expect(() => load({ files })).toThrow(`${ETC}: cannot be read: EACCES: permission denied`);
});

test("values have the types that YAML gives them, or the text that a flag would have", () => {
  const text = `
grpc-endpoint: localhost:9090
insecure: true
enable-http: "true"
verbosity: 9
resync-period: 600
deleteMicroVM-timeout: 1m30s
allow-bridge: [br0, br1]
insecure-registry: a:5000,b:5000
HTTP-ENDPOINT: localhost:8090
state-dir:
`;
  expect(parse(text)).toEqual({
    "grpc-endpoint": "localhost:9090",
    insecure: true,
    "enable-http": true,
    verbosity: 9,
    "resync-period": 600_000,
    "deleteMicroVM-timeout": 90_000,
    "allow-bridge": ["br0", "br1"],
    "insecure-registry": ["a:5000", "b:5000"],
    "http-endpoint": "localhost:8090",
  });
  expect(parse("")).toEqual({});
  expect(parse("# only a comment\n")).toEqual({});
});

test.each([
  ["grpc_endpoint: x", "/c.yaml: grpc_endpoint: is not an option"],
  ["bogus: 1", "/c.yaml: bogus: is not an option"],
  ["1: 1", "/c.yaml: 1: is not an option"],
  ["config: /other.yaml", "/c.yaml: config: only a flag or the environment can name the file"],
  ["basic-auth-token: 12345", "/c.yaml: basic-auth-token: must be text; put it in quotes"],
  ["basic-auth-token: {a: s3cret}", "/c.yaml: basic-auth-token: must be text"],
  ["insecure: 7", "/c.yaml: insecure: must be true or false"],
  ["insecure: perhaps", '/c.yaml: insecure: "perhaps" is not true or false'],
  ["verbosity: [1]", "/c.yaml: verbosity: must be a whole number from 0 to 100"],
  ["verbosity: 1.5", '/c.yaml: verbosity: "1.5" is not a whole number from 0 to 100'],
  ["resync-period: true", "/c.yaml: resync-period: must be a duration such as 10m"],
  ["allow-bridge: [1]", "/c.yaml: allow-bridge: must be a list of at most 256 texts"],
  [
    "delete-timeout: 1\ndeleteMicroVM-timeout: 2",
    "deleteMicroVM-timeout: is another name of deleteMicroVM-timeout",
  ],
  ["- a\n- b", "/c.yaml: must be a list of 'option: value' lines"],
  ["just words", "/c.yaml: must be a list of 'option: value' lines"],
  ["a: b: c", "/c.yaml: is not YAML"],
  ["verbosity: 1\nverbosity: 2", "/c.yaml: is not YAML: Map keys must be unique"],
  ["state-dir: &a /x\nsocket: *a", "/c.yaml: must not use YAML aliases"],
])("%j is refused", (text, words) => {
  expect(() => parse(text)).toThrow(words);
});

test("a near miss is told the name that was meant, and a secret is never quoted", () => {
  expect(() => parse("grpc_endpoint: x")).toThrow(expect.objectContaining({ hint: "grpc-endpoint" }));
  expect(() => parse("basic-auth-token: {a: s3cret}")).not.toThrow(/s3cret/);
});
