import { expect, test } from "vitest";
import { matchPath, parsePathTemplate } from "./path-template.ts";

const match = (template: string, path: string) =>
  matchPath(parsePathTemplate(template), path.slice(1).split("/"));

test("literals match themselves and nothing else", () => {
  expect(match("/v1/host", "/v1/host")).toEqual({});
  for (const path of ["/v1/hosts", "/v1", "/v1/host/", "/v1/host/x", "/V1/host"]) {
    expect(match("/v1/host", path)).toBeUndefined();
  }
});

test("a variable takes one component, also an empty one", () => {
  expect(match("/v1/vms/{target}", "/v1/vms/web")).toEqual({ target: "web" });
  expect(match("/v1/vms/{target}", "/v1/vms/")).toEqual({ target: "" });
  expect(match("/v1/vms/{target}", "/v1/vms/a/b")).toBeUndefined();
  expect(match("/v1/vms/{target}/logs", "/v1/vms/web/logs")).toEqual({ target: "web" });
});

test("a variable with a pattern takes what the pattern spans", () => {
  expect(match("/v1/{name=shelves/*/books/*}", "/v1/shelves/1/books/2")).toEqual({
    name: "shelves/1/books/2",
  });
  expect(match("/v1/{name=shelves/*}/x", "/v1/shelves/1/x")).toEqual({ name: "shelves/1" });
  expect(match("/v1/{a.b=files/**}", "/v1/files/x/y/z")).toEqual({ "a.b": "files/x/y/z" });
  expect(match("/v1/{path=**}", "/v1")).toEqual({ path: "" });
});

test("a verb is the end of the last component", () => {
  expect(match("/v1/vms/{target}:wait", "/v1/vms/web:wait")).toEqual({ target: "web" });
  expect(match("/v1/vms/{target}:wait", "/v1/vms/a:b:wait")).toEqual({ target: "a:b" });
  expect(match("/v1/vms/{target}:wait", "/v1/vms/web")).toBeUndefined();
  expect(match("/v1/vms/{target}:wait", "/v1/vms/:wait")).toBeUndefined();
  expect(match("/v1/images:pull", "/v1/images:pull")).toEqual({});
  expect(match("/v1/images", "/v1/images:pull")).toBeUndefined();
});

test("what is not a template does not parse", () => {
  for (const template of ["v1", "/v1/**/x", "/v1/{", "/v1/a b", "/v1/{1x}"]) {
    expect(() => parsePathTemplate(template)).toThrow("path template");
  }
});
