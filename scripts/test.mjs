/**
 * `npm test`: everything, from a clean checkout. Installs the system packages it needs (as root), checks format, lint, types,
 * the dependency rule and generated code, builds the guest images, runs every test, and ends with one line of counts.
 *
 * In CI a skipped test is a failure: a machine that can run them all must not quietly test nothing. But for those that need
 * programs which are not ours to build, and say so in their names (docs/testing-on-kvm.md).
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const isCi = process.env.CI === "true";
const NEEDS_VMMS = "FLINTLOCK_VMM_DIR";
const failures = [];
const started = Date.now();

step("system packages", "scripts/system-packages.sh", ["--test"], { isFatal: true });
step("format and lint", "npm", ["run", "--silent", "format:check"]);
step("types", "npm", ["run", "--silent", "types"]);
step("dependency rule", "npm", ["run", "--silent", "deps"]);
step("generated code", "npm", ["run", "--silent", "gen:check"]);
step("bundles", "npm", ["run", "--silent", "build"], { isFatal: true });
step("guest images", "npm", ["run", "--silent", "guest-images"], { isFatal: true });
step("guest program", "make", ["--silent", "-C", "guest", "test"]);
const counts = runTests();
finish(counts);

function step(name, command, args, { isFatal = false } = {}) {
  const before = Date.now();
  console.error(`==> ${name}`);
  const { status, error } = spawnSync(command, args, { stdio: "inherit" });
  const seconds = ((Date.now() - before) / 1000).toFixed(1);
  if (status === 0) {
    console.error(`    ${name}: ok (${seconds} s)`);
    return;
  }
  console.error(`    ${name}: FAILED (${error?.message ?? `exit ${status}`})`);
  failures.push(name);
  if (isFatal) finish({ passed: 0, failed: 0, skipped: 0, skippedNames: [] });
}

function runTests() {
  console.error("==> tests");
  const scratch = mkdtempSync(join(tmpdir(), "flintlock-test-"));
  const report = join(scratch, "report.json");
  try {
    const { status } = spawnSync(
      "node_modules/.bin/vitest",
      [
        "run",
        // Those need VMMs that we do not build: docs/testing-on-kvm.md
        "--project=!kvm",
        "--reporter=default",
        "--reporter=json",
        `--outputFile.json=${report}`,
        ...process.argv.slice(2),
      ],
      { stdio: ["ignore", "inherit", "inherit"] },
    );
    const result = JSON.parse(readFileSync(report, "utf8"));
    const tests = result.testResults.flatMap((file) => file.assertionResults);
    const skippedNames = tests.filter((one) => one.status !== "passed" && one.status !== "failed");
    // A file that could not even be loaded has no tests to count.
    const brokenFiles = result.testResults.filter(
      (file) => file.status === "failed" && file.assertionResults.length === 0,
    );
    const failed = result.numFailedTests + brokenFiles.length;
    if (status !== 0 && failed === 0) failures.push("the test runner");
    return { passed: result.numPassedTests, failed, skipped: skippedNames.length, skippedNames };
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function finish({ passed, failed, skipped, skippedNames }) {
  for (const one of skippedNames) console.error(`skipped: ${one.fullName}`);
  const mayNotBe = skippedNames.filter(
    ({ fullName }) => process.env[NEEDS_VMMS] !== undefined || !fullName.includes(NEEDS_VMMS),
  );
  if (isCi && mayNotBe.length > 0) failures.push(`${mayNotBe.length} tests were skipped that CI can run`);
  for (const failure of failures) console.error(`FAILED: ${failure}`);
  console.error(`took ${Math.round((Date.now() - started) / 1000)} s`);
  console.log(`${passed} passed, ${failed + failures.length} failed, ${skipped} skipped`);
  process.exit(failed + failures.length === 0 ? 0 : 1);
}
