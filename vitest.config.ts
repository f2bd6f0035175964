import { defineConfig } from "vitest/config";

/** The SDK is its sources, not what `npm run build` makes of them. */
const conditions = ["flintlock-source", "node", "import", "default"];
const ssr = { resolve: { conditions } };

export default defineConfig({
  test: {
    projects: [
      {
        ssr,
        test: {
          name: "unit",
          include: ["packages/**/*.test.ts", "scripts/**/*.test.ts", "test/compat/**/*.test.ts"],
          testTimeout: 20_000,
        },
      },
      {
        ssr,
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        ssr,
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
      {
        // On a host with KVM: bare metal, or the one that `npm run test:kvm` makes.
        ssr,
        test: {
          name: "kvm",
          include: ["test/kvm/**/*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
