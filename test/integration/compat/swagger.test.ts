/** The document that clients over HTTP are generated from, against the one that upstream has published. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { publishedSwagger } from "../../compat/published/published.ts";
import { type SwaggerFacts, swaggerFacts } from "../../compat/published/swagger.ts";
import { type Started, startSimulated } from "../../compat/start-daemon.ts";

const published = publishedSwagger();
let started: Started;
let ours: SwaggerFacts;
beforeAll(async () => {
  started = await startSimulated();
  const response = await fetch(`http://${started.endpoints.http}/openapi/v1alpha1.json`);
  expect(response.status).toBe(200);
  ours = swaggerFacts(await response.text());
});
afterAll(() => started?.daemon[Symbol.asyncDispose]());

test("its operations are upstream's: paths, ids, parameters and answers", () => {
  expect(ours.operations).toEqual(published.operations);
});

test("its schemas are upstream's, and what came since v0.11.0", () => {
  expect(ours.schemas).toMatchObject(published.schemas);
  const added = Object.keys(ours.schemas).filter((name) => published.schemas[name] === undefined);
  expect(added.sort()).toEqual([
    "typesCPUConfig",
    "v1alpha1GuestAgentServiceInfo",
    "v1alpha1ServerInfoResponse",
    "v1alpha1VersionInfo",
  ]);
  for (const [name, properties] of Object.entries(published.schemas)) {
    const more = Object.keys(ours.schemas[name] ?? {}).filter((key) => !(key in properties));
    expect(more, name).toEqual(name === "typesMicroVMSpec" ? ["cpuConfig"] : []);
  }
});
