/**
 * Get and List of v1alpha1 have one path, `/v1alpha1/microvm/{…}`. Upstream always lists the namespace, so that Get
 * cannot be reached; here a uid that exists is got, and everything else is a namespace, as before.
 */
import type { Route } from "./router.ts";

export const V1ALPHA1 = "microvm.services.api.v1alpha1.MicroVM";
/** ULID: 26 characters of Crockford's base32. */
const UID = /^[0-9A-HJKMNP-TV-Z]{26}$/;

export const disambiguated = (routes: readonly Route[]): readonly Route[] =>
  routes.map((route) =>
    route.service === V1ALPHA1 && route.method.desc.name === "GetMicroVM"
      ? { ...route, yields: { when: ({ uid = "" }: Readonly<Record<string, string>>) => UID.test(uid) } }
      : route,
  );
