/** docs/sdk.md and the package's README, run as they stand there, by TypeScript and by JavaScript, on a real daemon with real guests. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { ROOT, runProgram, TestDaemon } from "../support/daemon.ts";

const run = promisify(execFile);

interface Example {
  readonly language: string;
  readonly code: string;
  readonly output: string;
}

const pages = ["docs/sdk.md", "packages/client/README.md"];
const text = (await Promise.all(pages.map((page) => readFile(join(ROOT, page), "utf8")))).join("\n");
const examples: readonly Example[] = [
  ...text.matchAll(/^```(ts|js)\n([\s\S]*?)^```\n\n```text\n([\s\S]*?)^```$/gm),
].map(([, language = "", code = "", output = ""]) => ({ language, code, output }));

let directory: string;
let daemon: TestDaemon;
let port: number;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "flintlock-sdk-"));
  const security = await readFile(join(ROOT, "docs/security.md"), "utf8");
  const recipes = [...security.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, commands]) => commands ?? "");
  await run("sh", ["-c", recipes.join("\n")], { cwd: directory });
  port = await freePort();
  daemon = await TestDaemon.start([
    ...["--tls-cert", join(directory, "server.pem"), "--tls-key", join(directory, "server.key")],
    ...["--auth-file", join(directory, "credentials.yaml"), "--grpc-endpoint", `localhost:${port}`],
  ]);
  await vi.waitFor(() => expect(daemon.log).toContain("flintlockd serves"), 10_000);
  await writeExamples();
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "localhost", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });

/** As programs of somebody who has installed the package: checked against its types, and lowered to what Node 20 knows. */
const writeExamples = async (): Promise<void> => {
  await mkdir(join(directory, "node_modules/@flintlock"), { recursive: true });
  await symlink(join(ROOT, "packages/client"), join(directory, "node_modules/@flintlock/client"));
  await symlink(join(ROOT, "node_modules/@types"), join(directory, "node_modules/@types"));
  const files = await Promise.all(
    examples.map(async ({ language, code }, index) => {
      const file = `example-${index}.m${language}`;
      await writeFile(join(directory, file), code.replaceAll("9090", String(port)));
      return file;
    }),
  );
  const options = {
    target: "ES2022",
    lib: ["ES2023", "ESNext.Disposable"],
    module: "NodeNext",
    types: ["node"],
    strict: true,
    outDir: "built",
    allowJs: true,
  };
  await writeFile(join(directory, "package.json"), JSON.stringify({ type: "module" }));
  await writeFile(join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files }));
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const built = await runProgram(process.execPath, [tsc, "-p", directory]);
  expect(built.stdout).toBe("");
};

test("every example of the pages is one that is run", () => {
  const blocks = [...text.matchAll(/^```(ts|js)$/gm)];
  expect(examples.length).toBe(blocks.length);
  expect(new Set(examples.map(({ language }) => language))).toEqual(new Set(["ts", "js"]));
});

test.each(examples.map((example, index) => ({ ...example, index })))(
  "example $index ($language) prints what the page says, ends, and leaves nothing",
  async ({ output, index, language }) => {
    const file = join(directory, language === "ts" ? "built" : "", `example-${index}.mjs`);
    const env = { FLINTLOCK_HOST: `unix://${daemon.socket}` };
    const ended = await runProgram(process.execPath, [file], { env, cwd: directory });
    expect(ended).toEqual({ code: 0, stdout: output, stderr: "" });
    expect((await daemon.flintlock(["ls", "-q"])).stdout).toBe("");
  },
);
