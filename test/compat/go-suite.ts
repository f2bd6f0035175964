/** The Go client: generated from our protos and built in a directory of its own, then run against a daemon. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Result, ROOT, runProgram } from "../support/daemon.ts";

export interface GoSuite extends AsyncDisposable {
  /** Runs the tests of these names; `env` says where the daemon is (test/compat/go/connection_test.go). */
  run(tests: readonly string[], env: Readonly<Record<string, string>>): Promise<Result>;
}

const SOURCE = join(ROOT, "test/compat/go");

/** No checkout or workspace but what is here. */
const GO_ENV = { GOWORK: "off", GOFLAGS: "-mod=mod" };

/** The reason why it cannot be built here, printed, or undefined. */
export const missingGo = async (): Promise<string | undefined> => {
  const reason = await whyNot();
  if (reason !== undefined) console.warn(`SKIPPED: ${reason}`);
  return reason;
};

const whyNot = async (): Promise<string | undefined> => {
  const found = await runProgram("go", ["version"]).catch(() => undefined);
  if (found?.code !== 0) return "go is not installed";
  const modules = await runProgram("go", ["mod", "download"], { cwd: SOURCE, env: GO_ENV });
  return modules.code === 0 ? undefined : `go cannot get its modules: ${modules.stderr.trim().slice(-300)}`;
};

/** Modules and what is compiled stay in Go's own caches: the second build takes seconds. */
export const buildGoSuite = async (): Promise<GoSuite> => {
  const directory = await mkdtemp(join(tmpdir(), "flintlock-go-"));
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    await cp(SOURCE, directory, { recursive: true });
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

const succeeds = async (file: string, args: readonly string[], cwd: string): Promise<void> => {
  const { code, stdout, stderr } = await runProgram(file, args, { cwd, env: GO_ENV });
  if (code !== 0) throw new Error(`${file} ${args.join(" ")}: exit ${code}\n${stdout}${stderr}`);
};
