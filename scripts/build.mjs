/**
 * Bundles the two programs and the SDK with esbuild, and writes the SDK's types; `npm ci` runs it through the `prepare` script.
 * A few seconds, nearly all of them for the types.
 */
import { execFile, execFileSync } from "node:child_process";
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { relative } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";

const common = {
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  sourcemap: true,
  logLevel: "warning",
  // Here the SDK is its sources; elsewhere it is what this makes of them.
  conditions: ["flintlock-source"],
  // Bundled CommonJS still asks for these.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
};

/** Undefined outside of a git checkout. */
const git = (...args) => {
  try {
    return execFileSync("git", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return undefined;
  }
};

/** A build that is to be the same tomorrow says when it was: reproducible-builds.org/specs/source-date-epoch. */
const buildDate = () => {
  const epoch = process.env["SOURCE_DATE_EPOCH"];
  const date = /^\d{1,11}$/.test(epoch ?? "") ? new Date(Number(epoch) * 1000) : new Date();
  return date.toISOString().replace(/\.\d+/, "");
};

/** Of the SDK and of the generated messages beside it, which are no package of their own to those who install it. */
const writeTypes = async () => {
  await promisify(execFile)(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "packages/client"]);
  const types = "packages/client/dist/types";
  for (const name of await readdir(`${types}/client`, { recursive: true })) {
    if (!name.endsWith(".d.ts")) continue;
    const file = `${types}/client/${name}`;
    const api = relative(`${file}/..`, `${types}/api/src/index.ts`);
    const text = await readFile(file, "utf8");
    // Streams are Node's, whether or not the program that uses them has asked for Node's types.
    const head = name === "src/index.d.ts" ? '/// <reference types="node" />\n' : "";
    await writeFile(file, head + text.replaceAll('"@flintlock/api"', `"${api}"`));
  }
};

for (const name of ["cli", "client", "daemon"]) {
  await rm(`packages/${name}/dist`, { recursive: true, force: true });
}

await Promise.all([
  build({
    ...common,
    entryPoints: ["packages/cli/src/main.ts"],
    outdir: "packages/cli/dist",
    splitting: true,
  }),
  build({
    ...common,
    entryPoints: ["packages/client/src/index.ts"],
    outdir: "packages/client/dist",
    // A program that uses both has one of each.
    external: ["@bufbuild/protobuf", "@grpc/grpc-js"],
  }),
  writeTypes(),
  build({
    ...common,
    entryPoints: {
      main: "packages/daemon/src/main.ts",
      "disk-worker": "packages/daemon/src/adapters/images/disk/worker.ts",
    },
    outdir: "packages/daemon/dist",
    // What is imported when it is asked for (tracing) stays out of the program that starts.
    splitting: true,
    define: {
      FLINTLOCK_BUILD_DATE: JSON.stringify(buildDate()),
      FLINTLOCK_COMMIT: JSON.stringify(git("rev-parse", "HEAD")) ?? "undefined",
    },
    // Finds its prebuilt binary beside itself.
    external: ["classic-level"],
  }),
]);

// The page at /docs is read as it is, from beside the bundle.
await cp("packages/daemon/src/adapters/api/openapi/docs", "packages/daemon/dist/docs", { recursive: true });
