/** Fails when the generated code is not what the protos generate: generates again, beside, and compares. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

/** Two modules of one package name cannot be in one buf workspace, so each has its own. */
const modules = [
  { config: "buf.yaml", template: "buf.gen.yaml", committed: "packages/api/src/gen" },
  { config: "buf.legacy.yaml", template: "buf.gen.legacy.yaml", committed: "packages/api/src/gen-legacy" },
];

const scratch = mkdtempSync(join(tmpdir(), "flintlock-gen-"));
try {
  const stale = modules.flatMap(staleFiles);
  if (stale.length > 0) {
    console.error(`generated code is stale, run 'npm run gen': ${stale.join(", ")}`);
    process.exitCode = 1;
  }
} finally {
  rmSync(scratch, { recursive: true });
}

function staleFiles({ config, template, committed }) {
  const out = join(scratch, committed);
  const text = readFileSync(template, "utf8").replaceAll(`out: ${committed}\n`, `out: ${out}\n`);
  const scratchTemplate = join(scratch, template);
  writeFileSync(scratchTemplate, text);
  execFileSync("node_modules/.bin/buf", ["generate", "--template", scratchTemplate, "--config", config], {
    stdio: "inherit",
  });
  const fresh = filesBelow(out);
  const ours = filesBelow(committed);
  return [...new Set([...fresh.keys(), ...ours.keys()])]
    .filter((path) => fresh.get(path) !== ours.get(path))
    .map((path) => join(committed, path));
}

function filesBelow(root) {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [relative(root, path), readFileSync(path, "utf8")];
    }),
  );
}
