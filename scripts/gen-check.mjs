/** Fails when `packages/api/src/gen` is not what `proto/` generates: generates again, beside, and compares. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

const committed = "packages/api/src/gen";
const scratch = mkdtempSync(join(tmpdir(), "flintlock-gen-"));
try {
  const template = readFileSync("buf.gen.yaml", "utf8").replaceAll(
    `out: ${committed}`,
    `out: ${scratch}/gen`,
  );
  writeFileSync(join(scratch, "buf.gen.yaml"), template);
  execFileSync("node_modules/.bin/buf", ["generate", "--template", join(scratch, "buf.gen.yaml")], {
    stdio: "inherit",
  });
  const fresh = filesBelow(join(scratch, "gen"));
  const ours = filesBelow(committed);
  const stale = [...new Set([...fresh.keys(), ...ours.keys()])].filter(
    (path) => fresh.get(path) !== ours.get(path),
  );
  if (stale.length > 0) {
    console.error(`generated code is stale, run 'npm run gen': ${stale.join(", ")}`);
    process.exitCode = 1;
  }
} finally {
  rmSync(scratch, { recursive: true });
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
