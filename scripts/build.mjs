/** Bundles the two programs with esbuild; `npm ci` runs it through the `prepare` script. Well under a second. */
import { spawnSync } from "node:child_process";
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

/** Outside of a clone, the program says that it does not know. The commit's date keeps builds of it alike. */
const git = (format) => {
  const { status, stdout } = spawnSync("git", ["log", "-1", `--format=${format}`], { encoding: "utf8" });
  return JSON.stringify(status === 0 ? stdout.trim() : "undefined");
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
    define: { FLINTLOCK_COMMIT: git("%h"), FLINTLOCK_BUILD_DATE: git("%cI") },
    // Finds its prebuilt binary beside itself.
    external: ["classic-level"],
  }),
]);
