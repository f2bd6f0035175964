/** A property-based API tester, made for OpenAPI documents, on a daemon that has no VMs. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Started, startSimulated } from "../../compat/start-daemon.ts";

const run = promisify(execFile);

const TESTER = "schemathesis==4.32.5";
const SEED = "20261124";
const EXAMPLES = "10";

interface Workplace {
  readonly directory: string;
  readonly tester: string;
}

/** A virtual environment of its own; undefined, with the reason printed, where there can be none. */
const install = async (): Promise<Workplace | undefined> => {
  const directory = await mkdtemp(join(tmpdir(), "flintlock-api-tester-"));
  try {
    await run("python3", ["-m", "venv", join(directory, "venv")], { timeout: 60_000 });
    const pip = ["install", "--quiet", "--disable-pip-version-check", TESTER];
    await run(join(directory, "venv/bin/pip"), pip, { timeout: 180_000 });
    return { directory, tester: join(directory, "venv/bin/schemathesis") };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    console.warn(`SKIPPED: ${TESTER} cannot be installed: ${reason}`);
    return undefined;
  }
};

const workplace = await install();

describe.skipIf(workplace === undefined)(`the API tester (seed ${SEED})`, () => {
  let started: Started;
  beforeAll(async () => {
    started = await startSimulated();
  });
  afterAll(async () => {
    await started?.daemon[Symbol.asyncDispose]();
    if (workplace !== undefined) await rm(workplace.directory, { recursive: true, force: true });
  });

  test("finds no answer that the document does not allow", { timeout: 180_000 }, async () => {
    if (workplace === undefined) return;
    const args = [
      ...["--config-file", join(import.meta.dirname, "schemathesis.toml"), "--no-color"],
      ...["run", `http://${started.endpoints.http}/openapi.json`],
      ...["--max-examples", EXAMPLES, "--seed", SEED, "--generation-database", "none"],
    ];
    // It leaves files where it runs
    const said = await run(workplace.tester, args, { cwd: workplace.directory, timeout: 170_000 }).then(
      ({ stdout }) => ({ isFine: true, stdout }),
      (error: { readonly stdout?: string }) => ({ isFine: false, stdout: error.stdout ?? String(error) }),
    );
    expect(said.isFine ? "" : said.stdout.slice(-20_000)).toBe("");
    expect(said.stdout).toMatch(/Tested: \d{2}/);
    expect(started.daemon.log).not.toContain('"level":"error"');
  });
});
