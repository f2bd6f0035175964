import { FlintlockError } from "@flintlock/core";
import { expect, test } from "vitest";
import { createLog, type LogLevel } from "./daemon-log.ts";

const logTo = (format: "text" | "json", level: LogLevel = "info") => {
  const lines: string[] = [];
  return { log: createLog(level, format, { write: (line) => void lines.push(line) }), lines };
};

test("text lines are upstream's: time, level, message, then the fields by name", () => {
  const { log, lines } = logTo("text");
  log
    .child({ component: "api" })
    .warn("step failed", { uid: "01H", error: 'no "space"\nleft', a: { b: 1 }, empty: "" });
  expect(lines[0]).toMatch(/^time="20\d\d-\d\d-\d\dT[\d:.]+Z" level=warning msg="step failed" /);
  expect(lines[0]).toContain(' a="{\\"b\\":1}" component=api empty= error="no \\"space\\"\\nleft" uid=01H\n');
});

test("JSON lines have upstream's keys, and a field cannot pose as one of them", () => {
  const { log, lines } = logTo("json");
  log.info("serves", { level: "error", msg: "x", time: "y", pid: 7 });
  const line = JSON.parse(lines[0] ?? "");
  expect(line).toMatchObject({
    level: "info",
    msg: "serves",
    pid: 7,
    "fields.level": "error",
    "fields.msg": "x",
    "fields.time": "y",
  });
  expect(Date.parse(line.time)).toBeGreaterThan(0);
});

test("what is below the level is not written", () => {
  const { log, lines } = logTo("text", "warn");
  log.info("no");
  log.debug("no");
  log.error("yes");
  expect(lines).toHaveLength(1);
});

test("an error is told in words with its causes, a bug with its stack", () => {
  const { log, lines } = logTo("json");
  log.error("failed", {
    error: new FlintlockError("unavailable", "no store", { cause: new Error("ENOSPC") }),
  });
  log.error("failed", { error: new TypeError("undefined is not a function") });
  const [known, bug] = lines.map((line) => JSON.parse(line));
  expect(known).toMatchObject({ error: "no store: ENOSPC" });
  expect(known).not.toHaveProperty("stack");
  expect(bug.stack).toContain("daemon-log.test");
});

test("a whole create with its secrets in it leaves none of them in the log", () => {
  const secrets = [
    "c2VjcmV0LXVzZXItZGF0YQ==",
    "s3cret-env",
    "Basic czNjcmV0",
    "tok-1",
    "p4ss",
    "k3y",
    "Y29va2ll",
  ];
  const [userData, env, basic, token, password, key, cookie] = secrets;
  const create = {
    request: {
      microvm: {
        id: "web",
        metadata: { "user-data": userData, "instance-id": userData },
        labels: { tier: "front" },
      },
      process: { env: { DB: env }, command: ["run"] },
    },
    spec: { metadata: new Map([["user-data", userData]]), env: [`DB=${env}`] },
    headers: { authorization: basic, cookie },
    authorization: basic,
    basicAuthToken: token,
    registry: { password, api_key: key, url: `https://you:${password}@registry.test/v2/` },
    user_data: Buffer.from(userData ?? ""),
    error: new Error(`request with ${basic} to https://you:${password}@registry.test failed`),
  };
  const { log, lines } = logTo("json", "trace");
  log.child({ token }).debug(`create with Authorization: ${basic}`, create);
  log.info("again", { nested: [{ deep: { deeper: { metadata: { a: userData } } } }] });
  const text = lines.join("");
  for (const secret of secrets) expect(text).not.toContain(secret);
  expect(text).toContain('"user-data":"[redacted]"');
  expect(text).toContain('"tier":"front"');
  expect(text).toContain('"id":"web"');
  expect(text).toContain("https://[redacted]@registry.test");
});

test("a field may be endless, circular or huge", () => {
  const { log, lines } = logTo("text");
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  log.info("odd", {
    circle,
    huge: "x".repeat(100_000),
    many: Array.from({ length: 10_000 }, (_, i) => i),
    big: 1n,
  });
  expect(lines[0]?.length).toBeLessThan(20_000);
});
