import { expect, test } from "vitest";
import { parseStats } from "./stats.ts";

const TRAFFIC = Object.fromEntries(
  ["rx", "tx"].flatMap((way) =>
    ["bytes", "packets", "errors", "dropped"].map((key, n) => [`${way}_${key}`, n]),
  ),
);
const INTERFACE = {
  name: "eth0",
  mac: "52:54:00:00:00:01",
  up: true,
  addresses: ["10.0.2.15/24", "fe80::1/64"],
  ...TRAFFIC,
};
const ANSWER = {
  uptime_ms: 5000,
  load: [0.1, 0, 12.5],
  cpu: { count: 2, busy_ms: 10, idle_ms: 20, steal_ms: 0 },
  memory: { total_bytes: 2 ** 40, available_bytes: 1 },
  disk: { total_bytes: 0, available_bytes: 0 },
  processes: 30,
  interfaces: [INTERFACE],
};

const parse = (changes: object) => parseStats(JSON.stringify({ ...ANSWER, ...changes }));

test("what a guest tells is read, and what it tells besides is left", () => {
  const traffic = { bytes: 0, packets: 1, errors: 2, dropped: 3 };
  expect(parse({ later: {} })).toEqual({
    uptimeMs: 5000,
    load: [0.1, 0, 12.5],
    cpu: { count: 2, busyMs: 10, idleMs: 20, stealMs: 0 },
    memory: { totalBytes: 2 ** 40, availableBytes: 1 },
    disk: { totalBytes: 0, availableBytes: 0 },
    processes: 30,
    interfaces: [
      {
        name: "eth0",
        mac: "52:54:00:00:00:01",
        isUp: true,
        addresses: ["10.0.2.15/24", "fe80::1/64"],
        received: traffic,
        sent: traffic,
      },
    ],
  });
  expect(parse({ interfaces: [] }).interfaces).toEqual([]);
});

test.each([
  ["no object", "[]", "the answer"],
  ["no JSON", "{", "the answer"],
  ["a negative number", { uptime_ms: -1 }, "uptime_ms"],
  ["a number with a fraction", { processes: 1.5 }, "processes"],
  ["a number too large", { memory: { total_bytes: 2 ** 60, available_bytes: 0 } }, "total_bytes"],
  ["text for a number", { cpu: { ...ANSWER.cpu, busy_ms: "1" } }, "busy_ms"],
  ["a part that is missing", { disk: null }, "disk"],
  ["a list for an object", { cpu: [] }, "cpu"],
  ["too few loads", { load: [1] }, "load"],
  ["too many interfaces", { interfaces: Array(33).fill(INTERFACE) }, "interfaces"],
  [
    "too many addresses",
    { interfaces: [{ ...INTERFACE, addresses: Array(17).fill("::1/64") }] },
    "interfaces.addresses",
  ],
  ["a name for a terminal", { interfaces: [{ ...INTERFACE, name: "\u001b[2J" }] }, "interfaces.name"],
  ["a name too long", { interfaces: [{ ...INTERFACE, name: "x".repeat(16) }] }, "interfaces.name"],
  ["a MAC that is none", { interfaces: [{ ...INTERFACE, mac: "52:54" }] }, "interfaces.mac"],
  ...["10.0.2.15", "10.0.2.15/33", "10.0.2/24", "::1/129", "example.test/8", 7].map(
    (address) =>
      [
        "an address that is none",
        { interfaces: [{ ...INTERFACE, addresses: [address] }] },
        "interfaces.addresses",
      ] as const,
  ),
] as const)("%s is refused by name", (_, answer, field) => {
  const words = typeof answer === "string" ? answer : JSON.stringify({ ...ANSWER, ...answer });
  expect(() => parseStats(words)).toThrow(`the guest's numbers are not readable at ${field}`);
});
