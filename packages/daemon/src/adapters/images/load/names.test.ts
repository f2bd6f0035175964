import { parseReference } from "@flintlock/core";
import { expect, test } from "vitest";
import { chooseUnnamed, nameOf } from "./names.ts";

const CONTAINERD = "io.containerd.image.name";
const OCI = "org.opencontainers.image.ref.name";
const reference = parseReference("r.example/x:2", "reference");

test("the containerd name wins, then a full OCI name, and a bare one is a tag", () => {
  expect(nameOf({ [CONTAINERD]: "docker.io/library/a:1", [OCI]: "1" }).reference).toBe(
    "docker.io/library/a:1",
  );
  expect(nameOf({ [OCI]: "r.example/a:1" }).reference).toBe("r.example/a:1");
  expect(nameOf({ [OCI]: "a:1" }).reference).toBe("docker.io/library/a:1");
  expect(nameOf({ [OCI]: "v1" })).toEqual({ reference: undefined, tag: "v1" });
  expect(nameOf({})).toEqual({ reference: undefined, tag: undefined });
});

test("a name that is no reference is refused", () => {
  expect(() => nameOf({ [CONTAINERD]: "../../etc" })).toThrow(/io\.containerd\.image\.name/);
});

test("the caller's reference goes to the only nameless image, or to the one with its tag", () => {
  expect(chooseUnnamed(["v1"], reference)).toEqual({ index: 0, reference });
  expect(chooseUnnamed(["1", "2"], reference)).toEqual({ index: 1, reference });
  expect(() => chooseUnnamed(["1", "3"], reference)).toThrow(/fits none.*tags in it: 1, 3/);
  expect(() => chooseUnnamed([undefined], undefined)).toThrow(/reference must be given/);
});
