import { expect, test } from "vitest";
import { parseDockerConfig } from "./docker-config.ts";
import { credentialsKey, isKeyOf } from "./endpoint.ts";

const parse = (value: unknown) => parseDockerConfig(Buffer.from(JSON.stringify(value)));
const base64 = (text: string) => Buffer.from(text).toString("base64");

test("auths carry a name and a password, or an identity token", () => {
  const { auths } = parse({
    auths: {
      a: { auth: base64("ann:pa:ss") },
      b: { auth: base64("ann:x"), identitytoken: "token" },
      c: { username: "bob", password: "y" },
      "left to a helper": {},
    },
  });
  expect(auths).toEqual([
    { key: "a", credentials: { kind: "basic", username: "ann", password: "pa:ss" } },
    { key: "b", credentials: { kind: "identity-token", token: "token" } },
    { key: "c", credentials: { kind: "basic", username: "bob", password: "y" } },
  ]);
});

test("helpers are named by registry, with one for the rest", () => {
  const { helpers, store } = parse({ credHelpers: { "r.example": "pass" }, credsStore: "desktop" });
  expect(helpers).toEqual({ "r.example": "pass" });
  expect(store).toBe("desktop");
});

test("an empty file has no credentials", () => {
  expect(parse({})).toEqual({ auths: [], helpers: {}, store: "" });
});

test.each([
  [[]],
  ["x"],
  [{ auths: [] }],
  [{ auths: { a: { auth: base64("no colon") } } }],
  [{ auths: { a: { auth: 7 } } }],
  [{ credHelpers: { a: 7 } }],
  [{ credsStore: {} }],
])("%j is refused", (value) => {
  expect(() => parse(value)).toThrow(/config\.json/);
});

test("the hub is filed under its old address", () => {
  expect(credentialsKey("docker.io")).toBe("https://index.docker.io/v1/");
  for (const key of ["https://index.docker.io/v1/", "docker.io", "registry-1.docker.io", "index.docker.io"]) {
    expect(isKeyOf(key, "docker.io")).toBe(true);
  }
  expect(isKeyOf("https://index.docker.io.evil.example/v1/", "docker.io")).toBe(false);
});

test("a registry is found under its host, with or without scheme and path", () => {
  expect(credentialsKey("r.example:5000")).toBe("r.example:5000");
  for (const key of ["r.example:5000", "https://r.example:5000", "http://R.example:5000/v1/"]) {
    expect(isKeyOf(key, "r.example:5000")).toBe(true);
  }
  expect(isKeyOf("r.example", "r.example:5000")).toBe(false);
});
