import { ext, Host, Images, wire } from "@flintlock/api";
import { expect, test } from "vitest";
import type { BoundMethod, BoundService } from "../service.ts";
import { createRouter, routesOf } from "./router.ts";
import { disambiguated } from "./v1alpha1-routes.ts";

/** Routing looks at descriptors alone. */
const unhandled = (desc: BoundService["desc"]): BoundService => ({
  desc,
  methods: desc.methods.map(
    (method) => ({ kind: method.methodKind, desc: method, handler: undefined }) as unknown as BoundMethod,
  ),
});
const services = [wire.MicroVM, ext.MicroVMs, Images, Host].map((desc) =>
  unhandled(desc as unknown as BoundService["desc"]),
);
const routes = disambiguated(services.flatMap(routesOf));
const route = createRouter(routes);
const names = (verb: string, path: string): readonly string[] | string => {
  const routing = route(verb, path.slice(1).split("/"));
  return routing.kind === "found"
    ? routing.matches.map((match) => match.route.method.desc.name)
    : routing.kind;
};

test("every method without request stream has a route", () => {
  const reachable = new Set(routes.map(({ method }) => method.desc));
  for (const { methods } of services) {
    for (const method of methods) {
      const isStreaming = method.kind === "bidi_streaming" || method.kind === "client_streaming";
      expect([method.desc.name, reachable.has(method.desc)]).toEqual([method.desc.name, !isStreaming]);
    }
  }
});

test("a verb wins over a variable that would take it too", () => {
  expect(names("GET", "/v1/microvms/web:wait")).toEqual(["Wait", "Get"]);
  expect(names("GET", "/v1/images:inspect")).toEqual(["Inspect"]);
  expect(names("GET", "/v1/host:check")).toEqual(["Check"]);
});

test("v1alpha1 gets what has the form of a uid and lists everything else", () => {
  expect(names("GET", "/v1alpha1/microvm/01JD0000000000000000000000")).toEqual([
    "GetMicroVM",
    "ListMicroVMs",
  ]);
  for (const path of ["/default", "/01jd0000000000000000000000", "/01JD000000000000000000000I", "/"]) {
    expect(names("GET", `/v1alpha1/microvm${path}`)).toEqual(["ListMicroVMs"]);
  }
  // Upstream's list of all ends in a slash
  expect(names("GET", "/v1alpha1/microvm")).toBe("method_not_allowed");
  expect(names("DELETE", "/v1alpha1/microvm/default")).toEqual(["DeleteMicroVM"]);
});

test("a method without a rule is at its own name, by POST", () => {
  const path = "/microvm.services.api.v1alpha1.MicroVM/ListMicroVMsStream";
  expect(names("POST", path)).toEqual(["ListMicroVMsStream"]);
  expect(names("GET", path)).toBe("method_not_allowed");
  expect(names("POST", "/flintlock.v1.MicroVMs/Attach")).toBe("not_found");
});

test("a known path with another verb is told from an unknown path", () => {
  expect(names("PUT", "/v1alpha1/microvm")).toBe("method_not_allowed");
  expect(names("GET", "/v2")).toBe("not_found");
});
