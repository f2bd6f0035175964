/**
 * The pages of docs/ that are made of the code's own tables.
 *
 *   npm run docs            writes them
 *   npm run docs -- --check only says which are stale, and exits 1
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { configurationPage } from "./docs/configuration-page.ts";
import { errorsPage } from "./docs/errors-page.ts";
import { fieldsPage } from "./docs/fields-page.ts";
import { metricsPage } from "./docs/metrics-page.ts";
import { providersPage } from "./docs/providers-page.ts";

const PAGES = {
  "fields.md": fieldsPage,
  "errors.md": errorsPage,
  "metrics.md": metricsPage,
  "configuration.md": configurationPage,
  "providers.md": providersPage,
} as const;

const onlyCheck = process.argv.includes("--check");
for (const [name, page] of Object.entries(PAGES)) {
  const path = join(import.meta.dirname, "../docs", name);
  const text = await page();
  if (!onlyCheck) writeFileSync(path, text);
  else if (readOrEmpty(path) !== text) {
    console.error(`docs/${name} is stale: run npm run docs`);
    process.exitCode = 1;
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
