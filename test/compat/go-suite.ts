/** The Go client: generated from our protos and built in a directory of its own, then run against a daemon. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Result, ROOT, runProgram } from "../support/daemon.ts";

export interface GoSuite extends AsyncDisposable {
  /** Runs the tests of these names; `env` says where the daemon is (test/compat/go/connection_test.go). */
  run(tests: readonly string[], env: Readonly<Record<string, string>>): Promise<Result>;
}

/** The reason why it cannot be built here, printed, or undefined. */
export const missingGo = async (): Promise<string | undefined> => {
  const found = await runProgram("go", ["version"]).catch(() => undefined);
  if (found?.code === 0) return undefined;
  const reason = "go is not installed";
  console.warn(`SKIPPED: ${reason}`);
  return reason;
};

/** Modules and what is compiled stay in Go's own caches: the second build takes seconds. */
export const buildGoSuite = async (): Promise<GoSuite> => {
  const directory = await mkdtemp(join(tmpdir(), "flintlock-go-"));
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    await cp(join(ROOT, "test/compat/go"), directory, { recursive: true });
    const protos = ["types", "services"].flatMap((part) => ["--path", join(ROOT, "proto", part)]);
    const buf = join(ROOT, "node_modules/.bin/buf");
    await succeeds(buf, ["generate", join(ROOT, "proto"), ...protos], directory);
    await succeeds("go", ["test", "-c", "-o", "suite", "."], directory);
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    run: (tests, env) =>
      runProgram(join(directory, "suite"), ["-test.v", "-test.run", `^(${tests.join("|")})$`], {
        env,
        cwd: directory,
      }),
    [Symbol.asyncDispose]: remove,
  };
};

/** No checkout, workspace or toolchain but what is here. */
const GO_ENV = { GOWORK: "off", GOFLAGS: "-mod=mod" };

const succeeds = async (file: string, args: readonly string[], cwd: string): Promise<void> => {
  const { code, stdout, stderr } = await runProgram(file, args, { cwd, env: GO_ENV });
  if (code !== 0) throw new Error(`${file} ${args.join(" ")}: exit ${code}\n${stdout}${stderr}`);
};
