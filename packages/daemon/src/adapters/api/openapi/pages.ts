/** The documents of the API, for programs and for people. */
import type { Page, PageReply } from "../http/pages.ts";
import type { Route } from "../http/router.ts";
import { V1ALPHA1 } from "../http/v1alpha1-routes.ts";
import { openapiOf } from "./openapi.ts";
import { swaggerOf } from "./swagger.ts";

export const documentPages = (routes: readonly Route[]): readonly Page[] => [
  document("/openapi.json", () => openapiOf(routes)),
  document("/openapi/v1alpha1.json", () => swaggerOf(routes.filter(({ service }) => service === V1ALPHA1))),
];

/** Made when it is first asked for. */
const document = (path: string, make: () => unknown): Page => {
  let body: string | undefined;
  const serve = async (): Promise<PageReply> => {
    body ??= JSON.stringify(make(), undefined, 2);
    return { contentType: "application/json", body };
  };
  return { path, access: { kind: "public", serve } };
};
