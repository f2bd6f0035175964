/** The document that we serve at /openapi/v1alpha1.json against the one that upstream publishes. */
import { wire } from "@flintlock/api";
import { expect, test } from "vitest";
import { routesOf } from "../../../packages/daemon/src/adapters/api/http/router.ts";
import { swaggerOf } from "../../../packages/daemon/src/adapters/api/openapi/swagger.ts";
import type { BoundMethod } from "../../../packages/daemon/src/adapters/api/service.ts";
import { publishedSwagger } from "./published.ts";
import { swaggerFacts } from "./swagger.ts";

/** Routing looks at descriptors alone. */
const methods = wire.MicroVM.methods.map(
  (desc) => ({ kind: desc.methodKind, desc, handler: undefined }) as unknown as BoundMethod,
);
const document = swaggerOf(routesOf({ desc: wire.MicroVM, methods }));
const ours = swaggerFacts(JSON.stringify(document));
const theirs = publishedSwagger();

test("its title, version and media types are upstream's", () => {
  expect(document).toMatchObject({
    swagger: "2.0",
    info: { title: "Flintlock MicroVM API", version: "0.1" },
    tags: [{ name: "MicroVM" }],
    consumes: ["application/json"],
    produces: ["application/json"],
  });
});

test("every operation is upstream's: path, id, parameters and responses", () => {
  expect(ours.operations).toEqual(theirs.operations);
});

test("every definition is upstream's, and what v0.15 added", () => {
  const { typesCPUConfig, v1alpha1GuestAgentServiceInfo, v1alpha1ServerInfoResponse, ...others } =
    ours.schemas;
  const { v1alpha1VersionInfo, ...published } = others;
  expect(published).toEqual({
    ...theirs.schemas,
    typesMicroVMSpec: { ...theirs.schemas["typesMicroVMSpec"], cpuConfig: "typesCPUConfig" },
  });
  expect(typesCPUConfig).toEqual({ featuresToEnable: "string[]", kvmCapabilitiesToDisable: "string[]" });
  expect(v1alpha1ServerInfoResponse).toEqual({
    version: "v1alpha1VersionInfo",
    uptime: "string",
    exec: "v1alpha1GuestAgentServiceInfo",
    sshProxy: "v1alpha1GuestAgentServiceInfo",
  });
  expect(v1alpha1GuestAgentServiceInfo).toEqual({ enabled: "boolean", address: "string" });
  expect(v1alpha1VersionInfo).toEqual({ version: "string", buildDate: "string", commitHash: "string" });
});
