/** The tables of what upstream has published, and sums of them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Facts } from "./facts.ts";
import type { SwaggerFacts } from "./swagger.ts";

/**
 * `since-v0.11.0` is what v0.15.2 adds. Exec and the SSH proxy are as in upstream's commit 47cfc542. CPUConfig's and
 * ServerInfo's numbers are those of their order of declaration: that text could not be had.
 */
export type Version = "v0.1.0-alpha.1" | "v0.1.0-alpha.2" | "v0.11.0" | "since-v0.11.0";

export const published = (version: Version): Facts => read(version);

export const publishedSwagger = (): SwaggerFacts => read("v0.11.0.swagger");

const read = <T>(name: string): T =>
  JSON.parse(readFileSync(join(import.meta.dirname, `${name}.json`), "utf8"));

/** Both, and of what both have the members of both. */
export const sum = (a: Facts, b: Facts): Facts => ({
  messages: merged(a.messages, b.messages),
  enums: merged(a.enums, b.enums),
  services: merged(a.services, b.services),
});

type Members<T> = Readonly<Record<string, Readonly<Record<string, T>>>>;

const merged = <T>(a: Members<T>, b: Members<T>): Members<T> =>
  Object.fromEntries(
    [...new Set([...Object.keys(a), ...Object.keys(b)])].map((name) => [name, { ...a[name], ...b[name] }]),
  );
