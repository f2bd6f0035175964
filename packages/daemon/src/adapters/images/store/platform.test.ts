import { expect, test } from "vitest";
import { checkPlatform, choosePlatform, type HostPlatform } from "./platform.ts";

const AMD64: HostPlatform = { os: "linux", architecture: "amd64" };
const ARM64: HostPlatform = { os: "linux", architecture: "arm64" };
const entry = (architecture: string, variant = "", os = "linux") => ({
  platform: { os, architecture, variant },
});

test("os and architecture must fit, and the base variant comes first", () => {
  const entries = [entry("amd64", "v3"), entry("arm", "v7"), entry("amd64", "v1"), entry("arm64", "v8")];
  expect(choosePlatform(entries, AMD64, "x")).toBe(entries[2]);
  expect(choosePlatform(entries, ARM64, "x")).toBe(entries[3]);
});

test("without the base variant the lowest one is taken", () => {
  const entries = [entry("amd64", "v3"), entry("amd64", "v2"), entry("amd64", "", "windows")];
  expect(choosePlatform(entries, AMD64, "x")).toBe(entries[1]);
});

test("a single entry without a platform is taken, one of several is not", () => {
  const silent = { platform: undefined };
  expect(choosePlatform([silent], AMD64, "x")).toBe(silent);
  expect(() => choosePlatform([silent, silent], AMD64, "x")).toThrow(/offers none/);
});

test("the refusal lists what there is, without attestations", () => {
  const entries = [entry("arm", "v7"), entry("unknown", "", "unknown"), entry("s390x"), entry("s390x")];
  expect(() => choosePlatform(entries, AMD64, "img")).toThrow(
    "img has no image for linux/amd64; it offers linux/arm/v7, linux/s390x",
  );
});

test("an image that says nothing of its platform is let through", () => {
  checkPlatform({ os: "", architecture: "", variant: "" }, AMD64, "x");
  expect(() => checkPlatform(entry("arm64").platform, AMD64, "x")).toThrow(/linux\/arm64/);
});
