/** The dependency rule: everything points at the core, the core points at nothing. Tested by scripts/fence.test.ts. */
const adapters = "^packages/daemon/src/adapters/";
const src = (name) => `^packages/${name}/src/`;

module.exports = {
  forbidden: [
    {
      name: "no-cycles",
      severity: "error",
      comment: "A cycle is a module that could not decide what it is.",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "core-stands-alone",
      severity: "error",
      comment: "The core imports itself and nothing else: no adapter, no library, no Node.",
      from: { path: src("core"), pathNot: "\\.test\\.ts$" },
      to: { pathNot: src("core") },
    },
    {
      name: "domain-is-the-bottom",
      severity: "error",
      comment: "What we believe does not depend on what we do with it.",
      from: { path: "^packages/core/src/domain/", pathNot: "\\.test\\.ts$" },
      to: { path: "^packages/core/src/(?!domain/)" },
    },
    {
      name: "adapters-do-not-meet",
      severity: "error",
      comment: "Adapters meet in assemble.ts. What VMMs share lives in providers/shared.",
      from: { path: `${adapters}([^/]+)/`, pathNot: ["\\.test\\.ts$", `${adapters}providers/`] },
      to: { path: adapters, pathNot: `${adapters}$1/` },
    },
    {
      name: "providers-do-not-meet",
      severity: "error",
      comment: "A provider stands on what VMMs share and on the guest's protocol, never on another provider.",
      from: { path: `${adapters}providers/([^/]+)/`, pathNot: "\\.test\\.ts$" },
      to: {
        path: adapters,
        pathNot: [`${adapters}providers/$1/`, `${adapters}providers/shared/`, `${adapters}guest/`],
      },
    },
    {
      name: "wire-stays-in-the-api",
      severity: "error",
      comment: "Generated messages stop at the API adapter.",
      from: { path: "^packages/(core|daemon)/src/", pathNot: `${adapters}api/` },
      to: { path: src("api") },
    },
    {
      name: "clients-do-not-see-the-daemon",
      severity: "error",
      comment: "The CLI and the SDK talk over the wire, like everybody else.",
      from: { path: "^packages/(client|cli)/src/", pathNot: "\\.test\\.ts$" },
      to: { path: "^packages/(core|daemon)/src/" },
    },
    {
      name: "nothing-unresolved",
      severity: "error",
      comment: "An import that does not resolve would slip past every other rule.",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^packages/[^/]+/dist/" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["flintlock-source", "import", "node", "types", "default"],
      extensions: [".ts", ".js", ".mjs", ".json"],
    },
  },
};
