/**
 * Writes the facts of an upstream checkout.
 *
 *     npx tsx test/compat/published/describe.ts v0.11.0 CHECKOUT/api GRPC_GATEWAY_MODULE
 *     npm run format
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compile } from "./compile.ts";
import { factsOf } from "./facts.ts";
import { swaggerFacts } from "./swagger.ts";

const SWAGGER = "services/microvm/v1alpha1/microvms.swagger.json";

const write = (name: string, facts: unknown): void =>
  writeFileSync(join(import.meta.dirname, `${name}.json`), `${JSON.stringify(facts, null, 2)}\n`);

const [version, api, ...includes] = process.argv.slice(2);
if (version === undefined || api === undefined) {
  console.log("SKIPPED: give a version and the api directory of a checkout of it");
} else {
  write(version, factsOf(compile(api, includes)));
  const swagger = join(api, SWAGGER);
  if (existsSync(swagger)) write(`${version}.swagger`, swaggerFacts(readFileSync(swagger, "utf8")));
}
