import { expect, test } from "vitest";
import {
  parseChoice,
  parseCount,
  parseEnv,
  parseEnvFile,
  parseListener,
  parseNetwork,
  parsePairs,
  parsePort,
  parseVolume,
} from "./parse-flags.ts";

const usage = expect.objectContaining({ code: "usage" });

test.each([
  ["80", "", 0, 80, "tcp"],
  ["8080:80", "", 8080, 80, "tcp"],
  ["8080:80/udp", "", 8080, 80, "udp"],
  [":80", "", 0, 80, "tcp"],
  ["0:80", "", 0, 80, "tcp"],
  ["127.0.0.1:8080:80", "127.0.0.1", 8080, 80, "tcp"],
  ["127.0.0.1::53/udp", "127.0.0.1", 0, 53, "udp"],
  ["[::1]:8080:80", "::1", 8080, 80, "tcp"],
  ["[::]::80/tcp", "::", 0, 80, "tcp"],
])("port %s", (text, hostIp, hostPort, guestPort, protocol) => {
  expect(parsePort(text)).toEqual({ hostIp, hostPort, guestPort, protocol });
});

test.each([
  "",
  ":",
  "80:",
  "a:80",
  "80:a",
  "65536:80",
  "80:0",
  "80:65536",
  "80/sctp",
  "::1:80:80",
  "1:2:3:4",
  "80-90:80",
])("port %j is refused", (text) => {
  expect(() => parsePort(text)).toThrow(usage);
});

test("environment is K=V, or K from here, and unset ones are left out", () => {
  expect(parseEnv(["A=1", "B", "C", "D=x=y", "E="], { B: "2" })).toEqual({ A: "1", B: "2", D: "x=y", E: "" });
  expect(() => parseEnv(["=x"], {})).toThrow(usage);
  expect(() => parseEnv(["a b=x"], {})).toThrow(usage);
});

test("an environment file has comments, blank lines and no quoting", () => {
  const content = "\ufeffA=1\r\n# no\n\n  B\nC='x' # y\n";
  expect(parseEnvFile(content, "f", { B: "2" })).toEqual({ A: "1", B: "2", C: "'x' # y" });
  expect(() => parseEnvFile("=1", "f", {})).toThrow("--env-file f: =1");
});

test("pairs may have no value, but have a key", () => {
  expect(parsePairs("--label", ["a=1", "b", "c=d=e"])).toEqual({ a: "1", b: "", c: "d=e" });
  expect(() => parsePairs("--label", ["=1"])).toThrow(usage);
});

test("a volume's source may have colons of its own", () => {
  expect(parseVolume("reg:5000/data:1:/srv:ro")).toEqual({
    source: "reg:5000/data:1",
    mountPoint: "/srv",
    isReadOnly: true,
  });
  expect(parseVolume("/host:/srv")).toEqual({ source: "/host", mountPoint: "/srv", isReadOnly: false });
  for (const text of ["data", "data:srv", ":/srv", "data:/srv:rx"])
    expect(() => parseVolume(text)).toThrow(usage);
});

test("networks, counts and choices say what is expected", () => {
  expect(parseNetwork("user")).toEqual({ kind: "user" });
  expect(parseNetwork("bridge=br0")).toEqual({ kind: "bridge", bridge: "br0" });
  expect(() => parseNetwork("bridge=")).toThrow("expected user or bridge=NAME");
  expect(parseCount("--tail", "10")).toBe(10);
  expect(() => parseCount("--tail", "-1")).toThrow("expected a whole number");
  expect(() => parseChoice("--pull", "no", ["missing", "always"])).toThrow("expected one of missing, always");
});

test("--unpublish names a host port, and an address and protocol where it matters", () => {
  const any = { hostIp: "", hostPort: 8080, guestPort: 0, protocol: "" };
  expect(parseListener("8080")).toEqual(any);
  expect(parseListener("127.0.0.1:8080/udp")).toEqual({ ...any, hostIp: "127.0.0.1", protocol: "udp" });
  expect(parseListener("[::1]:8080")).toEqual({ ...any, hostIp: "::1" });
  for (const bad of ["", "0", "70000", "8080:80:1", "8080/sctp", "x", "-1"]) {
    expect(() => parseListener(bad)).toThrow("expected [IP:]HOST[/udp]");
  }
});
