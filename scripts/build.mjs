/** Bundles the two programs with esbuild; `npm ci` runs it through the `prepare` script. Well under a second. */
import { execFileSync } from "node:child_process";
import { cp, rm } from "node:fs/promises";
import { build } from "esbuild";

const common = {
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  sourcemap: true,
  logLevel: "warning",
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

for (const name of ["cli", "daemon"]) {
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
