/** Bundles the two programs with esbuild; `npm ci` runs it through the `prepare` script. Well under a second. */
import { rm } from "node:fs/promises";
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
    // Finds its prebuilt binary beside itself.
    external: ["classic-level"],
  }),
]);
