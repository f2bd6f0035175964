/**
 * YAML, for `import()`: esbuild gives a dynamically imported CommonJS package a default export only, so the
 * names are taken here, statically, and the whole file is loaded late.
 */
export { parse, stringify } from "yaml";
