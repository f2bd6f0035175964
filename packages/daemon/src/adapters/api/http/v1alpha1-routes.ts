/**
 * Get and List of v1alpha1 have one path, `/v1alpha1/microvm/{…}`. Upstream always lists the namespace, so that Get
 * cannot be reached; here a uid that exists is got, and everything else is a namespace, as before. And the list
 * of all has a path without the last slash.
 */
import { parsePathTemplate } from "./path-template.ts";
import type { Route } from "./router.ts";

const SERVICE = "microvm.services.api.v1alpha1.MicroVM";
/** ULID: 26 characters of Crockford's base32. */
const UID = /^[0-9A-HJKMNP-TV-Z]{26}$/;

export const disambiguated = (routes: readonly Route[]): readonly Route[] => {
  const own = routes.map((route) =>
    isMethod(route, "GetMicroVM")
      ? { ...route, yields: { when: ({ uid = "" }: Readonly<Record<string, string>>) => UID.test(uid) } }
      : route,
  );
  const all = routes
    .filter((route) => isMethod(route, "ListMicroVMs"))
    .map((route) => ({ ...route, template: parsePathTemplate("/v1alpha1/microvm") }));
  return [...own, ...all];
};

const isMethod = ({ service, method }: Route, name: string): boolean =>
  service === SERVICE && method.desc.name === name;
