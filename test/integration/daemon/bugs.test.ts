/** What nobody caught: in a process of its own, because it ends it. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT, runProgram } from "../../support/daemon.ts";

let directory = "";
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "flintlock-bugs-"));
});
afterAll(() => rm(directory, { recursive: true }));

test.each([
  ["an exception", 'setTimeout(() => { throw new TypeError("boom"); }, 1);', "uncaughtException"],
  ["a rejection", 'void Promise.reject(new TypeError("boom"));', "unhandledRejection"],
])(
  "%s that nobody caught is logged with its stack and ends the process with code 1",
  async (_, bug, origin) => {
    const source = join(ROOT, "packages/daemon/src");
    const script = join(directory, `${origin}.mts`);
    await writeFile(
      script,
      `import { createLog } from "${source}/adapters/logs/daemon-log.ts";
     import { watchBugs } from "${source}/process-signals.ts";
     watchBugs(createLog("info", "json", { write: (line) => process.stdout.write(line) }));
     setTimeout(() => undefined, 60_000);
     ${bug}`,
    );
    const { code, stdout, stderr } = await runProgram(join(ROOT, "node_modules/.bin/tsx"), [script]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      level: "error",
      origin,
      error: "boom",
      stack: expect.stringContaining("boom"),
    });
    expect(stderr).toBe("flintlockd: bug: internal error: boom\n");
  },
);
