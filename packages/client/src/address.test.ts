import { expect, test } from "vitest";
import { grpcTarget, parseAddress } from "./address.ts";

test("sockets are named by unix:///path, unix:path or an absolute path", () => {
  expect(parseAddress("unix:///run/f.sock")).toEqual({ kind: "unix", path: "/run/f.sock" });
  expect(parseAddress("unix:/run/f.sock")).toEqual({ kind: "unix", path: "/run/f.sock" });
  expect(parseAddress("/run/f.sock")).toEqual({ kind: "unix", path: "/run/f.sock" });
  expect(parseAddress("unix:f.sock")).toEqual({ kind: "unix", path: `${process.cwd()}/f.sock` });
});

test("TCP addresses are host and port, with brackets for IPv6", () => {
  expect(parseAddress("host-1.example:9090")).toEqual({ kind: "tcp", host: "host-1.example", port: 9090 });
  expect(parseAddress("tcp://10.0.0.1:1")).toEqual({ kind: "tcp", host: "10.0.0.1", port: 1 });
  expect(grpcTarget(parseAddress("[::1]:9090"))).toBe("[::1]:9090");
});

test.each([
  "",
  "host",
  "host:",
  "host:0",
  "host:65536",
  "http://x:80",
  "unix:",
  "unix://",
  "unix://rel",
  "a b:1",
])("%j is refused", (text) => {
  expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: "invalid_spec", field: "host" }));
});

test("a socket path longer than the kernel takes is refused", () => {
  expect(() => parseAddress(`unix:///${"x".repeat(107)}`)).toThrow("at most 107 bytes");
});
