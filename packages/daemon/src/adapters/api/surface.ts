/**
 * What a listener offers. There are two APIs, today's and the first one published; they have the same names, so they are
 * never on one listener.
 */

import { legacyRoutes } from "./http/legacy-routes.ts";
import type { Page } from "./http/pages.ts";
import { type Route, routesOf } from "./http/router.ts";
import type { Readiness } from "./readiness.ts";
import type { BoundService } from "./service.ts";
import { createHealth } from "./services/health.ts";
import { legacyV1alpha1Service } from "./services/legacy/v1alpha1.ts";
import { reflectionServices } from "./services/reflection.ts";

export interface Surface {
  readonly services: readonly BoundService[];
  readonly routes: readonly Route[];
  readonly pages: readonly Page[];
  /** Tells whoever checks health that nothing here serves any more. */
  stop(): void;
}

interface SurfaceParts extends Pick<Surface, "routes" | "pages"> {
  /** What health says */
  readonly readiness: Readiness;
  /** The same services, their messages counted */
  readonly counted: (services: readonly BoundService[]) => readonly BoundService[];
}

/** `api` with health and reflection of its own. */
export const surfaceOf = (
  api: readonly BoundService[],
  { routes, pages, readiness, counted }: SurfaceParts,
): Surface => {
  const health = createHealth(
    api.map(({ desc }) => desc.typeName),
    readiness,
  );
  const described = [...api, ...counted([health.service])];
  return {
    services: [...described, ...counted(reflectionServices(described))],
    routes,
    pages,
    stop: health.stop,
  };
};

/** Pages are about today's API, and stay there. */
export const legacySurface = (parts: Pick<SurfaceParts, "readiness" | "counted">): Surface => {
  const services = parts.counted([legacyV1alpha1Service()]);
  return surfaceOf(services, { ...parts, routes: legacyRoutes(services.flatMap(routesOf)), pages: [] });
};
