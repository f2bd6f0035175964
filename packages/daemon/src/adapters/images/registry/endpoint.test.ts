import { expect, test } from "vitest";
import { parseContentRange } from "./content-range.ts";
import { TransportPolicy } from "./endpoint.ts";
import { parseRetryAfter } from "./retry.ts";

test("https is the rule and http needs a listed host", () => {
  const policy = new TransportPolicy(["r.example", "q.example:5000", "[::1]:5000"]);
  expect(policy.registryUrl("docker.io").href).toBe("https://registry-1.docker.io/");
  expect(policy.registryUrl("localhost:5000").href).toBe("https://localhost:5000/");
  expect(policy.registryUrl("r.example:81").href).toBe("http://r.example:81/");
  expect(policy.registryUrl("q.example:5000").href).toBe("http://q.example:5000/");
  expect(policy.registryUrl("q.example:5001").href).toBe("https://q.example:5001/");
  expect(policy.registryUrl("[::1]:5000").href).toBe("http://[::1]:5000/");
});

test("only https and listed http pass", () => {
  const policy = new TransportPolicy(["r.example"]);
  policy.check(new URL("https://anything.example/"));
  policy.check(new URL("http://r.example:1/"));
  for (const url of [
    "http://169.254.169.254/",
    "http://localhost/",
    "file:///etc/passwd",
    "ftp://r.example/",
  ]) {
    expect(() => policy.check(new URL(url))).toThrow(/not https/);
  }
});

test("Retry-After is seconds or a date", () => {
  expect(parseRetryAfter("7", 0)).toBe(7000);
  expect(parseRetryAfter("Thu, 01 Jan 1970 00:00:10 GMT", 4000)).toBe(6000);
  expect(parseRetryAfter("Thu, 01 Jan 1970 00:00:10 GMT", 20_000)).toBe(0);
  expect(parseRetryAfter(undefined, 0)).toBeUndefined();
  expect(parseRetryAfter("soon", 0)).toBeUndefined();
});

test("Content-Range gives start, end and total", () => {
  expect(parseContentRange("bytes 5-9/10")).toEqual({ start: 5, end: 9, total: 10 });
  expect(parseContentRange("bytes 5-9/*")).toEqual({ start: 5, end: 9, total: undefined });
  for (const header of [undefined, "", "bytes */10", "bytes 5-/10", "items 1-2/3", "bytes -1-2/3"]) {
    expect(parseContentRange(header)).toBeUndefined();
  }
});
