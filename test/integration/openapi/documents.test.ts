/** The documents and the page, as a daemon serves them. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { publishedSwagger } from "../../compat/published/published.ts";
import { swaggerFacts } from "../../compat/published/swagger.ts";
import { type Started, startSimulated } from "../../compat/start-daemon.ts";
import { ROOT } from "../../support/daemon.ts";

let started: Started;
beforeAll(async () => {
  started = await startSimulated();
});
afterAll(() => started?.daemon[Symbol.asyncDispose]());

const get = async (path: string) => {
  const response = await fetch(`http://${started.endpoints.http}${path}`);
  return { status: response.status, headers: response.headers, text: await response.text() };
};

test("OpenAPI 3.1 and upstream's Swagger 2.0 are JSON", async () => {
  const openapi = await get("/openapi.json");
  expect([openapi.status, openapi.headers.get("content-type")]).toEqual([200, "application/json"]);
  const document = JSON.parse(openapi.text);
  expect(document.openapi).toBe("3.1.0");
  // The daemon's own bounds
  const spec = document.components.schemas["flintlock.types.MicroVMSpec.Request"].properties;
  expect(spec.provider.enum).toEqual(["", "auto", "simulated", null]);
  const swagger = await get("/openapi/v1alpha1.json");
  expect(swaggerFacts(swagger.text).operations).toEqual(publishedSwagger().operations);
});

test("the page's files are served, each with a policy that lets nothing else in", async () => {
  const files = await readdir(join(ROOT, "packages/daemon/src/adapters/api/openapi/docs"));
  for (const path of files.map((file) => (file === "index.html" ? "/docs" : `/docs/${file}`))) {
    const { status, headers, text } = await get(path);
    expect([path, status]).toEqual([path, 200]);
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect([path, /https?:\/\//.test(text)]).toEqual([path, false]);
  }
  expect((await get("/docs/../openapi.json")).status).toBe(200);
  for (const path of ["/docs/none.js", "/docs/%2e%2e/main.js", "/docs/"]) {
    expect([path, (await get(path)).status]).toEqual([path, 404]);
  }
});
