import { expect, test } from "vitest";
import { formatTcpAddress, parseTcpAddress } from "./address.ts";

test("host and port are told apart, also for IPv6", () => {
  expect(parseTcpAddress("localhost:9090")).toEqual({ host: "127.0.0.1", port: 9090 });
  expect(parseTcpAddress("[::1]:0")).toEqual({ host: "::1", port: 0 });
  expect(parseTcpAddress(":80")).toEqual({ host: undefined, port: 80 });
  expect(parseTcpAddress("vm.example:65535")).toEqual({ host: "vm.example", port: 65535 });
  expect([formatTcpAddress("::1", 1), formatTcpAddress("10.0.0.1", 2)]).toEqual(["[::1]:1", "10.0.0.1:2"]);
});

test("anything else is refused", () => {
  for (const text of [
    "",
    "9090",
    "localhost",
    "localhost:",
    "::1:80",
    "[x]:80",
    "a:65536",
    "a:-1",
    "a:1:2",
    "[]:1",
  ]) {
    expect(() => parseTcpAddress(text)).toThrow("must be host:port");
  }
});
