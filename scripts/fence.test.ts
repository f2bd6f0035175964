/** The dependency rule catches what it says it does: one planted breach per rule, in a tree of its own. */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "..");
let tree = "";

const write = async (path: string, text: string): Promise<void> => {
  await mkdir(dirname(join(tree, path)), { recursive: true });
  await writeFile(join(tree, path), text);
};

beforeAll(async () => {
  tree = await mkdtemp(join(tmpdir(), "flintlock-fence-"));
  await cp(join(root, ".dependency-cruiser.cjs"), join(tree, ".dependency-cruiser.cjs"));
  await symlink(join(root, "node_modules"), join(tree, "node_modules"));
  await write("packages/core/src/domain/a.ts", "export const a = 1;\n");
  await write(
    "packages/core/src/reconcile/b.ts",
    'import { a } from "../domain/a.ts";\nexport const b = a;\n',
  );
  await write("packages/daemon/src/adapters/store/s.ts", "export const s = 1;\n");
  await write("packages/daemon/src/adapters/providers/shared/p.ts", "export const p = 1;\n");
  await write("packages/daemon/src/adapters/providers/qemu/q.ts", 'export { p } from "../shared/p.ts";\n');
  await write("packages/api/src/index.ts", "export const wire = 1;\n");
});
afterAll(() => rm(tree, { recursive: true }));

const violations = async (): Promise<readonly string[]> => {
  const output = await run(
    process.execPath,
    [
      join(root, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs"),
      "--output-type",
      "json",
      "packages",
    ],
    { cwd: tree, maxBuffer: 16 * 1024 * 1024 },
  ).catch((error: { stdout: string }) => error);
  const report: { summary: { violations: readonly { rule: { name: string } }[] } } = JSON.parse(
    output.stdout,
  );
  return [...new Set(report.summary.violations.map(({ rule }) => rule.name))];
};

test("a tree that keeps the rule passes", async () => {
  expect(await violations()).toEqual([]);
});

test.each([
  ["core-stands-alone", "packages/core/src/domain/bad.ts", 'export { readFileSync } from "node:fs";\n'],
  ["domain-is-the-bottom", "packages/core/src/domain/bad.ts", 'export { b } from "../reconcile/b.ts";\n'],
  [
    "adapters-do-not-meet",
    "packages/daemon/src/adapters/network/bad.ts",
    'export { s } from "../store/s.ts";\n',
  ],
  [
    "providers-do-not-meet",
    "packages/daemon/src/adapters/providers/firecracker/bad.ts",
    'export { p } from "../qemu/q.ts";\n',
  ],
  [
    "wire-stays-in-the-api",
    "packages/daemon/src/adapters/store/bad.ts",
    'export { wire } from "../../../../api/src/index.ts";\n',
  ],
  [
    "clients-do-not-see-the-daemon",
    "packages/cli/src/bad.ts",
    'export { a } from "../../core/src/domain/a.ts";\n',
  ],
  ["nothing-unresolved", "packages/cli/src/bad.ts", 'export { x } from "./nowhere.ts";\n'],
])("%s is noticed", async (rule, path, text) => {
  await write(path, text);
  try {
    expect(await violations()).toContain(rule);
  } finally {
    await rm(join(tree, path));
  }
});

test("no-cycles is noticed", async () => {
  await write("packages/cli/src/one.ts", 'export { two } from "./two.ts";\nexport const one = 1;\n');
  await write("packages/cli/src/two.ts", 'export { one } from "./one.ts";\nexport const two = 2;\n');
  try {
    expect(await violations()).toContain("no-cycles");
  } finally {
    await rm(join(tree, "packages/cli"), { recursive: true });
  }
});
