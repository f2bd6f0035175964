import { expect, test } from "vitest";
import { FlintlockError } from "./errors.ts";
import { isDigest, parseReference, splitReference } from "./reference.ts";

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;

test.each([
  ["alpine", "docker.io/library/alpine:latest"],
  ["alpine:3.20", "docker.io/library/alpine:3.20"],
  ["someone/thing", "docker.io/someone/thing:latest"],
  ["docker.io/alpine", "docker.io/library/alpine:latest"],
  ["index.docker.io/alpine", "docker.io/library/alpine:latest"],
  ["localhost/x", "localhost/x:latest"],
  ["localhost:5000/x", "localhost:5000/x:latest"],
  ["127.0.0.1:5000/a/b/c:v1", "127.0.0.1:5000/a/b/c:v1"],
  ["[::1]:5000/x", "[::1]:5000/x:latest"],
  ["Registry.Example/a__b/c-d.e:V_1", "registry.example/a__b/c-d.e:V_1"],
  [`alpine@${DIGEST}`, `docker.io/library/alpine@${DIGEST}`],
  [`r.example:1/x:tag@${DIGEST}`, `r.example:1/x@${DIGEST}`],
  [" \u00a0alpine\t\n", "docker.io/library/alpine:latest"],
  ["alp\u0000i\u009fne", "docker.io/library/alpine:latest"],
])("%j means %s", (text, full) => {
  expect(parseReference(text, "image")).toBe(full);
});

test.each([
  ["", "must name an image"],
  ["  \u0007 ", "must name an image"],
  ["https://r.example/x", "without a scheme"],
  ["Alpine", "lower case"],
  ["r.example/Upper", "lower case"],
  ["alpine:", "tag"],
  ["alpine:-x", "tag"],
  [`alpine:${"t".repeat(129)}`, "tag"],
  ["alpine@sha256:abc", "digest"],
  [`alpine@${DIGEST.toUpperCase()}`, "digest"],
  [`alpine@sha512:${"a".repeat(128)}`, "digest"],
  [`a@${DIGEST}@${DIGEST}`, "too long|digest"],
  ["a//b", "not an image reference"],
  ["/a", "not an image reference"],
  ["a/../b", "not an image reference"],
  ["a b", "not an image reference"],
  ["r.example:/x", "registry"],
  ["-r.example/x", "registry"],
  ["f".repeat(64), "image id"],
  [`r.example/${"a".repeat(250)}`, "name over 255"],
  [`${" ".repeat(1 << 20)}alpine`, "too long"],
])("%.60j is refused and the field is named", (text, problem) => {
  try {
    parseReference(text, "kernel.image");
  } catch (error) {
    if (!(error instanceof FlintlockError)) throw error;
    expect(error.code).toBe("invalid_spec");
    expect(error.message).toMatch(new RegExp(`^kernel\\.image: .*(${problem})`));
    return;
  }
  throw new Error("it was accepted");
});

test("a normalised reference parses to itself", () => {
  for (const text of ["alpine", "localhost:5000/x:1", `r.example/a/b@${DIGEST}`]) {
    const once = parseReference(text, "image");
    expect(parseReference(once, "image")).toBe(once);
  }
});

test("a reference splits into registry, repository and either tag or digest", () => {
  expect(splitReference(parseReference("localhost:5000/a/b", "image"))).toEqual({
    registry: "localhost:5000",
    repository: "a/b",
    tag: "latest",
    digest: undefined,
  });
  expect(splitReference(parseReference(`alpine:3@${DIGEST}`, "image"))).toEqual({
    registry: "docker.io",
    repository: "library/alpine",
    tag: undefined,
    digest: DIGEST,
  });
});

test("only sha256 digests are digests", () => {
  expect(isDigest(DIGEST)).toBe(true);
  expect(isDigest(`${DIGEST}0`)).toBe(false);
  expect(isDigest("alpine")).toBe(false);
});
